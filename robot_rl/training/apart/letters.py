"""What actors and learners tell each other. A step's name is its lane and its number there."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from robot_rl.errors import ConfigError
from robot_rl.training.apart.wire import Wire
from robot_rl.training.states import join_tensors, split_tensors

PROTOCOL = 1


@dataclass(frozen=True, kw_only=True)
class Hello:
    """An actor's first word: which lane it fills."""

    actor: int
    protocol: int = PROTOCOL


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The learner's: of which run it is, what the actor is made from, and where its lane stands.

    `checksum` is of the last of its `steps`: an actor sees whether that was its own.
    """

    run: str
    config: dict[str, Any]
    interface: dict[str, Any]
    steps: int
    checksum: int
    protocol: int = PROTOCOL


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why an actor is not wanted. `again`: it may try once more, for it may be another moment."""

    refused: str
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """Records of a lane that follow its first `first_step` steps, as its journal has them.

    `episodes` ended with them; `variations` says by first step what was drawn for those that begin.
    `weights_version` is of those that act.
    """

    first_step: int
    weights_version: int
    episodes: list[dict[str, Any]] = field(default_factory=list)
    variations: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """So many `steps` of the lane are on the learner's disk, `total` over all lanes.

    `go` is false where a simulation shall wait for the learner, `done` where the run is over.
    `weights` are newer ones, of `version`; their tensors lie beside.
    """

    steps: int
    total: int
    version: int
    go: bool
    done: bool
    weights: Any = None


Letter = Hello | Welcome | Refusal | Parcel | Receipt
_KINDS = {kind.__name__: kind for kind in (Hello, Welcome, Refusal, Parcel, Receipt)}


def send(wire: Wire, letter: Letter, blobs: list[bytes] | None = None) -> None:
    plain = {f.name: getattr(letter, f.name) for f in dataclasses.fields(letter)}
    wire.send({"kind": type(letter).__name__, **plain}, blobs or [])


def receive(wire: Wire) -> tuple[Letter, list[bytes]]:
    """Raises `OSError` for what is no letter, `ConfigError` for one of another version."""
    message = wire.receive()
    data = dict(message.data)
    kind = _KINDS.get(str(data.pop("kind", "")))
    if kind is None:
        raise OSError(f"this is no letter of an actor or a learner: {str(message.data)[:80]}")
    _require_same_version(data.get("protocol", PROTOCOL))
    try:
        return kind(**data), message.blobs
    except TypeError as error:
        raise OSError(f"this is no {kind.__name__}: {error}") from error


def _require_same_version(protocol: Any) -> None:
    if protocol != PROTOCOL:
        raise ConfigError(
            f"actor and learner speak different versions ({protocol} there, {PROTOCOL} here): "
            "install the same robot-rl on both machines."
        )


def packed(state: Mapping[str, Any]) -> tuple[Any, bytes]:
    """A state as plain data, and its tensors as bytes."""
    tensors: dict[str, Tensor] = {}
    tree = split_tensors(dict(state), tensors)
    return tree, save(tensors)


def unpacked(tree: Any, tensors: bytes) -> dict[str, Any]:
    return join_tensors(tree, load(tensors))

"""What flows between the parts: observations, batches and segments, and a policy's interface.

An observation is a `dict[str, np.ndarray]`: `image/<camera>` uint8 [H, W, 3] and, where the
task has it, `proprio` float32 [P].
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from robot_rl.errors import ConfigError, CorruptFileError, InterfaceMismatchError

Observation = dict[str, np.ndarray]
Metrics = dict[str, float]

INTERFACE_FILE = "interface.json"

IMAGE_PREFIX = "image/"
PROPRIO = "proprio"
# Fields of it that code asks for by name; the second under `task.relative_frame`.
TCP_POS = "tcp_pos"
TCP_POS_FROM_START = "tcp_pos_from_start"

ActionKind = Literal["displacement", "velocity", "position"]

# Who chose an applied action. Stored by place, so append only.
SOURCES = ("policy", "human", "random", "expert", "nobody")
# Sources to learn from by imitation.
TAUGHT = ("human", "expert")
# Sources that a human takes over from.
AUTONOMOUS = ("policy", "random")


@dataclass(frozen=True, kw_only=True)
class CameraField:
    """One image of the observation, as the policy receives it: `height` x `width`.

    With a `crop` (top, left, height, width) it is cut out of a frame of `source_height` x
    `source_width` pixels and resized (`robot_rl.envs.frames`); without one it is the frame as it
    comes, and the source's size is 0. Raises `ConfigError` for a crop outside its source.
    """

    name: str
    height: int
    width: int
    rate_hz: float
    crop: tuple[int, ...] = ()
    source_height: int = 0
    source_width: int = 0

    def __post_init__(self) -> None:
        if self.crop:
            require_inside(self.crop, self.source_height, self.source_width, self.name)
        elif self.source_height or self.source_width:
            raise ConfigError(f"camera '{self.name}' has a source's size and no crop.")

    @property
    def key(self) -> str:
        return IMAGE_PREFIX + self.name

    @property
    def source_size(self) -> tuple[int, int]:
        """(height, width) of the frames that it is made of."""
        if self.crop:
            return self.source_height, self.source_width
        return self.height, self.width


@dataclass(frozen=True, kw_only=True)
class ProprioField:
    """`size` consecutive numbers of `proprio`."""

    name: str
    unit: str
    size: int


@dataclass(frozen=True, kw_only=True)
class ActionField:
    """One axis (`robot_rl.axes`) that the policy moves: the value 1.0 commands `scale` `unit`.

    `kind`: a displacement within one control period, a velocity (`unit` per second), or a position,
    an absolute set-point that is `offset` at the value 0. `hold` is the value that holds the axis,
    None where it is the measured position, commanded back. Raises `ConfigError` where that makes
    no sense.
    """

    name: str
    unit: str
    kind: ActionKind
    scale: float
    hold: float | None
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(ActionKind):
            raise ConfigError(
                f"action {self.name} is a '{self.kind}'; choose one of "
                f"{', '.join(get_args(ActionKind))}."
            )
        if not self.scale or not math.isfinite(self.scale):
            raise ConfigError(f"action {self.name} has the scale {self.scale}; it moves nothing.")
        if self.hold is None and self.kind != "position":
            raise ConfigError(f"action {self.name} is a {self.kind}; say which value holds it.")


@dataclass(frozen=True, kw_only=True)
class Interface:
    """All that a policy sees and does, with units. Saved beside every policy and compared."""

    task: str
    control_rate_hz: float
    cameras: tuple[CameraField, ...]
    proprio: tuple[ProprioField, ...]
    actions: tuple[ActionField, ...]

    @property
    def proprio_size(self) -> int:
        return sum(field.size for field in self.proprio)

    @property
    def action_size(self) -> int:
        return len(self.actions)

    def hold_action(self, measured: Mapping[str, float] | None = None) -> np.ndarray:
        """The float32 action [A] that holds the robot.

        `measured` gives the position of each axis by name, for those held where they are. Raises
        `InterfaceMismatchError` where one of them is missing.
        """
        return np.array([_hold(field, measured or {}) for field in self.actions], np.float32)

    def require_equal(self, other: "Interface", where: str) -> None:
        """Raise `InterfaceMismatchError` that names every field in which `other` differs."""
        found = list(_differences(asdict(self), asdict(other)))
        if found:
            raise InterfaceMismatchError(
                f"{where} was made for another interface: {'; '.join(found)}. "
                "Use the task and cameras that it was made with."
            )

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    def save(self, path: Path) -> None:
        path.write_text(self.to_json())

    @classmethod
    def from_json(cls, text: str) -> "Interface":
        return cls.from_dict(json.loads(text))

    @classmethod
    def load(cls, path: Path) -> "Interface":
        """Raises `CorruptFileError` when the file is missing, not JSON, or lacks a field."""
        try:
            return cls.from_json(path.read_text())
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            raise CorruptFileError(f"{path} is not an interface file: {error}") from error

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Interface":
        cameras = (CameraField(**{**c, "crop": tuple(c["crop"])}) for c in raw["cameras"])
        return cls(
            task=raw["task"],
            control_rate_hz=raw["control_rate_hz"],
            cameras=tuple(cameras),
            proprio=tuple(ProprioField(**p) for p in raw["proprio"]),
            actions=tuple(ActionField(**a) for a in raw["actions"]),
        )


def require_inside(crop: tuple[int, ...], height: int, width: int, camera: str) -> None:
    """Raise `ConfigError` unless `crop` (top, left, height, width) lies in `height` x `width`."""
    sound = len(crop) == 4 and min(crop[:2]) >= 0 and min(crop[2:]) > 0
    if not sound or crop[0] + crop[2] > height or crop[1] + crop[3] > width:
        raise ConfigError(
            f"camera '{camera}': crop {crop} (top, left, height, width) does not lie inside "
            f"{height}x{width} (height x width)."
        )


def proprio_place(interface: Interface, name: str) -> int:
    """Where the numbers of field `name` begin. Raises `InterfaceMismatchError` without it."""
    place = 0
    for field in interface.proprio:
        if field.name == name:
            return place
        place += field.size
    known = ", ".join(field.name for field in interface.proprio) or "nothing"
    raise InterfaceMismatchError(f"{interface.task} measures {known}; {name} is needed here.")


def _hold(field: ActionField, measured: Mapping[str, float]) -> float:
    if field.hold is not None:
        return field.hold
    if field.name not in measured:
        raise InterfaceMismatchError(
            f"{field.name} is held where it stands, and that was not measured; known: "
            f"{', '.join(measured) or 'nothing'}."
        )
    return (measured[field.name] - field.offset) / field.scale


def _differences(a: Any, b: Any, path: str = "") -> Iterator[str]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in a:
            yield from _differences(a[key], b[key], f"{path}.{key}" if path else key)
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _differences(x, y, f"{path}[{i}]")
    elif a != b:
        yield f"{path} is {_short(a)} here and {_short(b)} there"


def _short(value: Any) -> str:
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return f"[{', '.join(str(item['name']) for item in value)}]"
    return repr(value)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What someone who stands beside the robot sees at this moment; None where nobody can tell.

    `expert_action` [A] is a scripted expert's, `progress` in [0, 1] how far the task is, `at_goal`
    whether it is done at this instant, `risk` in [0, 1] how near the tool is to where it must not
    go. `measured` is where each axis stands, by name: what holds it there and what a leader arm is
    compared with.
    """

    expert_action: np.ndarray | None = None
    progress: float | None = None
    at_goal: bool | None = None
    risk: float | None = None
    measured: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Rows:
    """Handles of stored steps: int64 arrays of one shape. Step -1 names none.

    `step` is the lane's count of steps recorded before it, so that a handle names the same step
    in every process that restores the run.
    """

    lane: np.ndarray
    step: np.ndarray

    def __getitem__(self, index: Any) -> "Rows":
        return Rows(self.lane[index], self.step[index])


@dataclass
class Batch:
    """A sampled batch of transitions, frames still uint8 and planar.

    obs, next_obs: `image/<camera>` uint8 [B, S, 3, H, W] (S stacked frames, oldest first) and
    `proprio` float32 [B, P]. action [B, A], reward [B] (n-step discounted sum), discount [B]
    (gamma^n, or 0 where the episode terminated inside the window).
    `label` [B, A] is what the human would have done where that is known, else `action`.
    gripper_changes [B]: as `reward`, of 1 for each command that tells the gripper otherwise.
    `rows` [B] are the handles of the starts. `segment` and `returns_to_go` [B] (as in `Segment`)
    are there when they were asked for. The leaves are numpy arrays or torch tensors; handles stay
    numpy.
    """

    obs: dict[str, Any]
    action: Any
    reward: Any
    discount: Any
    next_obs: dict[str, Any]
    label: Any
    gripper_changes: Any
    rows: Rows
    segment: "Segment | None" = None
    returns_to_go: Any = None

    def map(self, f: Any) -> "Batch":
        """The same batch with `f` applied to every array."""
        return _map(self, f)

    def scaled(self, factor: float) -> "Batch":
        """The same batch with every reward, and what sums them, times `factor`."""
        segment = None if self.segment is None else self.segment.scaled(factor)
        return replace(self, segment=segment, **_scaled(self, factor))


@dataclass
class Segment:
    """Windows of T steps in a row, frames still uint8 and planar.

    obs: every observation, the one after the last step too: `image/<camera>` uint8
    [B, T + 1, 3, H, W] and `proprio` float32 [B, T + 1, P]. For stacks of S frames, S - 1 more come
    before the first, [B, S - 1 + T + 1, 3, H, W]: S in a row are then a stack.
    Of the step from observation t to t + 1: action and label [B, T, A], reward [B, T], terminated
    bool [B, T], `own` bool [B, T] (the policy chose what was applied), `taught` bool [B, T] (a
    human or an expert did), `labelled` bool [B, T] (one of them said what he would do), `rows`
    [B, T]. is_first bool [B, T + 1] where an episode begins: a
    window that starts inside one has none at 0.
    mask [B, T] is 1 where there is such a step and 0 between the last observation of an episode and
    the next, or where the data ends; all else is 0 there, and the last observation is repeated.
    returns_to_go [B, T], where asked for: the discounted sum of rewards up to the episode's
    termination; NaN where it was truncated, is unfinished, or the mask is 0.
    """

    obs: dict[str, Any]
    action: Any
    reward: Any
    terminated: Any
    is_first: Any
    mask: Any
    label: Any
    own: Any
    taught: Any
    labelled: Any
    rows: Rows
    returns_to_go: Any = None

    def map(self, f: Any) -> "Segment":
        """The same segment with `f` applied to every array."""
        return _map(self, f)

    def scaled(self, factor: float) -> "Segment":
        """The same segment with every reward, and what sums them, times `factor`."""
        return replace(self, **_scaled(self, factor))


def _map(node: Any, f: Any) -> Any:
    if node is None or isinstance(node, Rows):
        return node
    if isinstance(node, dict):
        return {key: _map(value, f) for key, value in node.items()}
    if isinstance(node, Batch | Segment):
        return type(node)(**{x.name: _map(getattr(node, x.name), f) for x in fields(node)})
    return f(node)


def _scaled(node: Batch | Segment, factor: float) -> dict[str, Any]:
    returns = None if node.returns_to_go is None else node.returns_to_go * factor
    return {"reward": node.reward * factor, "returns_to_go": returns}

"""The policy folder: `policy.safetensors`, `interface.json`, `config.yaml`, `card.md`."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from robot_rl.config.schema import from_tree
from robot_rl.errors import CorruptFileError
from robot_rl.folders import replacing, settled
from robot_rl.networks.policy import POLICIES, Policy
from robot_rl.types import INTERFACE_FILE, Interface

WEIGHTS, CONFIG, CARD = "policy.safetensors", "config.yaml", "card.md"
_FORMAT = 2


class PolicyFolder:
    """Reads and writes the artefact that leaves training. No pickle in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self) -> bool:
        return (self.place / WEIGHTS).exists()

    def write(
        self,
        policy: Policy,
        training: Any,
        metrics: Mapping[str, float],
    ) -> None:
        """A reader never meets half a policy, and a kill never takes the one before.

        `training` is the configuration of the run that it comes from.
        """
        weights = {k: v.detach().cpu().contiguous() for k, v in policy.state_dict().items()}
        tree = {
            "format": _FORMAT,
            "policy": {"kind": policy.kind, **_plain(dataclasses.asdict(policy.config))},
            "training": _plain(dataclasses.asdict(training)),
        }
        with replacing(self.root) as folder:
            save_file(weights, folder / WEIGHTS)
            policy.interface.save(folder / INTERFACE_FILE)
            (folder / CONFIG).write_text(yaml.safe_dump(tree, sort_keys=False))
            (folder / CARD).write_text(_card(policy, training, metrics))

    @property
    def place(self) -> Path:
        """Where it lies: `root`, but where a write was killed in its last moment."""
        return settled(self.root)

    def interface(self) -> Interface:
        return Interface.load(self.place / INTERFACE_FILE)

    def config(self) -> dict[str, Any]:
        """Raises `CorruptFileError` when the file is missing or not what `write` wrote."""
        path = self.place / CONFIG
        try:
            tree = yaml.safe_load(path.read_text())
            if tree["format"] != _FORMAT:
                raise ValueError(f"format {tree['format']}, this version reads {_FORMAT}")
            return {part: dict(tree[part]) for part in ("policy", "training")}
        except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError) as error:
            raise CorruptFileError(f"{path} is not a policy configuration: {error}") from error

    def blank(self) -> Policy:
        """The policy with fresh weights: its shapes. Raises `CorruptFileError`."""
        settings = dict(self.config()["policy"])
        kind = POLICIES.load(settings.pop("kind", ""))
        return kind(from_tree(kind.Config, settings, "policy"), self.interface())

    def load(self) -> Policy:
        """The policy with its weights, in evaluation mode. Raises `CorruptFileError`."""
        policy = self.blank()
        path = self.place / WEIGHTS
        try:
            policy.load_state_dict(load_file(path))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CorruptFileError(f"{path} is damaged or of another network: {error}") from error
        return policy.eval()


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, list | tuple) else node


def _card(policy: Policy, training: Any, metrics: Mapping[str, float]) -> str:
    interface = policy.interface
    cameras = ", ".join(f"{c.name} {c.width}x{c.height}" for c in interface.cameras) or "none"
    proprio = ", ".join(f"{p.name} [{p.unit}] x {p.size}" for p in interface.proprio) or "none"
    actions = ", ".join(f"{a.name} [{a.unit}] x {a.scale:g}" for a in interface.actions)
    memory = ", ".join(
        f"{k} {'x'.join(map(str, x.shape[1:]))}" for k, x in policy.initial(1).items()
    )
    options = (
        ", ".join(f"{name}={value}" for name, value in training.task.options.items()) or "none"
    )
    numbers = "\n".join(f"| {name} | {value:.4g} |" for name, value in metrics.items())
    return f"""# Policy for {interface.task}

| | |
|---|---|
| options of the task | {options} |
| agent | {training.agent.name}, seed {training.seed} |
| kind | {policy.kind} |
| cameras | {cameras} |
| proprio | {proprio} |
| memory | {memory or "none"} |
| actions | {actions}, at {interface.control_rate_hz:g} Hz |

## Evaluation (deterministic policy, held-out seeds, in simulation)

| measure | value |
|---|---|
{numbers}
"""

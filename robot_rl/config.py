"""Configuration: Hydra composes it, frozen dataclasses check it.

Hydra sees the dataclass defaults as plain nodes, so that an unknown key is refused where it is
typed; the types are checked when the composed tree becomes dataclasses.
"""

import dataclasses
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from robot_rl.agents.drm import DrMConfig
from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.agents.mentor import MentorConfig
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.training.loop import LoopConfig


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """See `sim.cameras.CameraSpec`; height and width 0 take `task.image_size`."""

    height: int = 0
    width: int = 0
    rate_hz: float = 0.0
    pos: tuple[float, ...] = ()
    quat: tuple[float, ...] = ()
    fovy_deg: float = 0.0
    delay_low_s: float = 0.0
    delay_high_s: float = 0.0
    noise_std: float = 0.0
    crop: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    name: str = "arm/reach"
    cameras: dict[str, CameraConfig] = field(default_factory=dict)
    image_size: int = 64
    reward: Literal["dense", "sparse"] = "dense"
    action_repeat: int = 1
    use_proprio: bool = True


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    quality: Literal["lean", "default"] = "lean"


@dataclass(frozen=True, kw_only=True)
class ReplaySizeConfig:
    capacity: int = 100_000


@dataclass(frozen=True, kw_only=True)
class TrainConfig(LoopConfig):
    """Everything a run is made from. `run_dir` empty names it after task, agent and seed."""

    run_dir: str = ""
    seed: int = 0
    num_envs: int = 1  # environment processes; 0 steps in the learner's own process
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = 0  # of torch on the CPU; 0 takes all cores
    compile: bool = False
    task: TaskConfig = field(default_factory=TaskConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    replay: ReplaySizeConfig = field(default_factory=ReplaySizeConfig)
    agent: DrQV2Config = field(default_factory=DrQV2Config)


AGENTS: dict[str, type[DrQV2Config]] = {
    "drqv2": DrQV2Config,
    "drm": DrMConfig,
    "mentor": MentorConfig,
    "taco": DrQV2Config,
}


def config_dir() -> Path:
    """The YAML files: inside the installed package, or beside it in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "configs"


def options(group: str) -> list[str]:
    """Names on offer in a config group, such as `agent` or `experiment`."""
    root = config_dir() / group
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml"))


def from_tree(schema: Any, tree: Any, where: str = "") -> Any:
    """`tree` (dicts, lists, scalars) as `schema`: a dataclass or any annotation used in one.

    Raises `ConfigError` for a wrong type and `UnknownNameError` for an unknown key or choice.
    """
    origin, args = typing.get_origin(schema), typing.get_args(schema)
    if dataclasses.is_dataclass(schema) and isinstance(schema, type):
        return _to_dataclass(schema, tree, where)
    if origin is Literal:
        if tree not in args:
            raise UnknownNameError(f"value for {where}", str(tree), map(str, args))
        return tree
    if origin is dict:
        items = _expect(dict, tree, where, "a mapping").items()
        return {str(k): from_tree(args[1], v, f"{where}.{k}") for k, v in items}
    if origin is tuple:
        items = _expect(list, list(tree) if isinstance(tree, tuple) else tree, where, "a list")
        return tuple(from_tree(args[0], v, f"{where}[{i}]") for i, v in enumerate(items))
    if schema is float and isinstance(tree, int) and not isinstance(tree, bool):
        return float(tree)
    if isinstance(tree, bool) and schema is not bool:
        raise ConfigError(f"{where} needs {_KINDS[schema]}, got {tree!r}.")
    return _expect(schema, tree, where, _KINDS[schema])


_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _to_dataclass(schema: type, tree: Any, where: str) -> Any:
    tree = _expect(dict, {} if tree is None else tree, where, "a mapping")
    hints = typing.get_type_hints(schema)
    if schema is TrainConfig:
        name = tree.get("agent", {}).get("name", "drqv2")
        if name not in AGENTS:
            raise UnknownNameError("agent", str(name), AGENTS)
        hints["agent"] = AGENTS[name]
    for key in tree:
        if key not in hints:
            raise UnknownNameError("setting", f"{where}.{key}".lstrip("."), (
                f"{where}.{hint}".lstrip(".") for hint in hints
            ))  # fmt: skip
    return schema(**{k: from_tree(hints[k], v, f"{where}.{k}".lstrip(".")) for k, v in tree.items()})


def _expect(kind: type, value: Any, where: str, words: str) -> Any:
    if not isinstance(value, kind):
        raise ConfigError(f"{where} needs {words}, got {value!r}.")
    return value


def flatten(tree: Any, path: str = "") -> dict[str, Any]:
    """Leaves by dotted path."""
    if not isinstance(tree, dict) or not tree:
        return {path: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flatten(value, f"{path}.{key}" if path else str(key))
    return leaves

"""The environment of a run. Environment processes import this: it needs no torch."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from robot_rl.errors import ConfigError


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


def build_env(task: TaskConfig, render: RenderConfig) -> Any:
    """A Gymnasium environment for `task`."""
    from sim.cameras import CameraSpec
    from sim.registry import make_env

    if not task.cameras:
        raise ConfigError(f"task {task.name} has no camera. Add one: '+task.cameras.NAME={{}}'.")

    def spec(name: str, camera: CameraConfig) -> CameraSpec:
        values = dataclasses.asdict(camera)
        values["height"] = camera.height or task.image_size
        values["width"] = camera.width or task.image_size
        return CameraSpec(name=name, **values)

    return make_env(
        task.name,
        tuple(spec(name, camera) for name, camera in task.cameras.items()),
        reward=task.reward,
        quality=render.quality,
        action_repeat=task.action_repeat,
        use_proprio=task.use_proprio,
    )

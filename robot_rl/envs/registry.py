"""Environments by name, simulated and real. Environment processes import this: no torch."""

from dataclasses import dataclass, field
from typing import Any, Literal

from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.reward import RewardConfig
from robot_rl.envs.robot import RobotConfig
from robot_rl.envs.variation import VariationConfig
from robot_rl.envs.wrappers import RelativeFrame
from robot_rl.errors import ConfigError
from robot_rl.plugins import Plugins

# What opens an environment of each kind.
KINDS = Plugins(
    "kind of environment",
    "robot_rl.environments",
    {
        "sim": "sim.registry:make_env",
        "robot": "hardware.robot:make_env",
        "graph": "robot_rl_nodes.graph_env:make_env",
    },
)
# The driver of a robot that is a graph of ROS 2 nodes, with safety among them.
GRAPH = "graph"

DEFAULT_ARM = "primitive"


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    name: str = "arm/reach"
    cameras: dict[str, CameraSpec] = field(default_factory=dict)
    image_size: int = 64
    # Frames are taken at this size, where it is larger, and averaged down to `image_size`.
    source_size: int = 0
    # Who plays a task of the arm suite: `robot-rl list sim_arms`.
    arm: str = DEFAULT_ARM
    # What the task itself offers: `robot-rl list tasks`.
    options: dict[str, Any] = field(default_factory=dict)
    reward: Literal["dense", "sparse"] = "dense"
    action_repeat: int = 1
    use_proprio: bool = True
    # No cameras: proprio tells where the task's objects are. For quick studies of what is not
    # about seeing.
    state: bool = False
    # What pays in the task's place; reward=NAME of `robot-rl list rewards`.
    reward_model: RewardConfig = field(default_factory=RewardConfig)
    relative_frame: bool = False  # tcp_pos counts from the start of the episode
    # In what the episodes of a simulation differ; variation=NAME of `robot-rl list variations`.
    variation: VariationConfig = field(default_factory=VariationConfig)

    @property
    def taken_size(self) -> int:
        """Of a frame as a camera takes it."""
        return max(self.image_size, self.source_size)


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    quality: Literal["lean", "default"] = "lean"


def open_env(task: TaskConfig, render: RenderConfig, robot: RobotConfig | None = None) -> Any:
    """A Gymnasium environment for `task`: on `robot`, or simulated where there is none.

    A robot is connected and stands still until the first reset. Raises `ConfigError` where nothing
    would be observed.
    """
    _require_sight(task)
    if robot is not None and robot.present:
        _require_plain(task)
        env = KINDS.load(GRAPH if robot.arm.driver == GRAPH else "robot")(task, robot)
    else:
        env = _simulated(task, render)
    return RelativeFrame(env) if task.relative_frame else env


def _require_sight(task: TaskConfig) -> None:
    if not task.cameras and not task.state:
        raise ConfigError(f"task {task.name} has no camera. Add one: '+task.cameras.NAME={{}}'.")
    if task.state and not task.use_proprio:
        raise ConfigError(
            f"task {task.name} observes nothing: state=true leaves the cameras out, and "
            "use_proprio=false the rest. Set task.use_proprio=true."
        )


def _require_plain(task: TaskConfig) -> None:
    if task.variation.varies:
        raise ConfigError(
            "task.variation is of simulations, and a robot is what it is. Leave it out: "
            "variation=none."
        )


def _simulated(task: TaskConfig, render: RenderConfig) -> Any:
    return KINDS.load("sim")(
        task.name,
        () if task.state else camera_specs(task),
        reward=task.reward,
        quality=render.quality,
        action_repeat=task.action_repeat,
        use_proprio=task.use_proprio,
        state=task.state,
        options=task.options,
        arm=task.arm,
        variation=task.variation,
    )


def camera_specs(task: TaskConfig) -> tuple[CameraSpec, ...]:
    """The task's cameras with their names and sizes."""
    return tuple(
        camera.named(name, task.image_size, task.source_size)
        for name, camera in task.cameras.items()
    )

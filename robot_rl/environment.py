"""The environment of a run. Environment processes import this: without a classifier no torch."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from robot_rl.cameras import CameraSpec
from robot_rl.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    name: str = "arm/reach"
    cameras: dict[str, CameraSpec] = field(default_factory=dict)
    image_size: int = 64
    reward: Literal["dense", "sparse"] = "dense"
    action_repeat: int = 1
    use_proprio: bool = True
    # No cameras: proprio tells where the task's objects are. For quick studies of what is not
    # about seeing.
    state: bool = False
    # Reward and end of the episode by a success classifier (a folder of `robot-rl classifier`).
    classifier: str = ""
    relative_frame: bool = False  # tcp_pos counts from the start of the episode


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    quality: Literal["lean", "default"] = "lean"


def build_evaluation_env(task: TaskConfig, render: RenderConfig) -> Any:
    """Judged by the task's own success, whatever pays while learning."""
    return build_env(dataclasses.replace(task, classifier=""), render)


def build_env(task: TaskConfig, render: RenderConfig) -> Any:
    """A Gymnasium environment for `task`."""
    from sim.registry import make_env

    if not task.cameras and not task.state:
        raise ConfigError(f"task {task.name} has no camera. Add one: '+task.cameras.NAME={{}}'.")

    cameras = {} if task.state else task.cameras
    # What the simulator knows must not end an episode that the classifier shall judge.
    reward = "dense" if task.classifier else task.reward
    env = make_env(
        task.name,
        tuple(camera.named(name, task.image_size) for name, camera in cameras.items()),
        reward=reward,
        quality=render.quality,
        action_repeat=task.action_repeat,
        use_proprio=task.use_proprio,
        state=task.state,
    )
    if task.classifier:
        from robot_rl.rewards.classifier_env import ClassifierReward

        env = ClassifierReward(env, Path(task.classifier))
    if task.relative_frame:
        from robot_rl.task_wrapper import RelativeFrame

        env = RelativeFrame(env)
    return env

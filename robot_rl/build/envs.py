"""The environment of a run, with what pays in it. Without a classifier this imports no torch."""

import dataclasses
from pathlib import Path
from typing import Any

from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.envs.wrappers import RelativeFrame


def build_env(task: TaskConfig, render: RenderConfig) -> Any:
    """A Gymnasium environment for `task`, paid by its classifier where it has one."""
    if not task.classifier:
        return open_env(task, render)
    from robot_rl.rewards.classifier_env import ClassifierReward

    # What the simulator knows must not end an episode that the classifier shall judge.
    plain = dataclasses.replace(task, reward="dense", relative_frame=False)
    env = ClassifierReward(open_env(plain, render), Path(task.classifier))
    return RelativeFrame(env) if task.relative_frame else env


def build_evaluation_env(task: TaskConfig, render: RenderConfig) -> Any:
    """Judged by the task's own success, whatever pays while learning."""
    return open_env(task, render)

"""The environment of a run, with what pays in it. Without a reward model this imports no torch."""

import dataclasses
from typing import Any

from robot_rl.envs.asked import AskedSuccess
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.envs.robot import RobotConfig
from robot_rl.envs.shared import SharedEnv, share
from robot_rl.envs.wrappers import RelativeFrame


def build_env(task: TaskConfig, render: RenderConfig, robot: RobotConfig | None = None) -> Any:
    """A Gymnasium environment for `task`, paid by its reward model where it has one."""
    if not task.reward_model.present:
        return open_env(task, render, robot)
    from robot_rl.rewards.paid_env import paid

    # What the simulator knows must not end an episode that the reward model shall judge.
    plain = dataclasses.replace(task, reward="dense", relative_frame=False)
    env = open_env(plain, render, robot)
    try:
        env = paid(env, task.reward_model, task.reward)
    except Exception:
        env.close()
        raise
    return RelativeFrame(env) if task.relative_frame else env


def build_evaluation_env(
    task: TaskConfig, render: RenderConfig, robot: RobotConfig | None = None
) -> Any:
    """Judged by the task's own success, whatever pays while learning.

    A robot does not know it: there it is `robot.success` that judges.
    """
    if robot is None or not robot.present:
        # On moving pictures that were never seen in training.
        unseen = dataclasses.replace(task.variation, held_out=True)
        return open_env(dataclasses.replace(task, variation=unseen), render)
    return _judged(build_env(task, render, robot), robot)


def build_shared_robot(
    task: TaskConfig, render: RenderConfig, robot: RobotConfig
) -> tuple[SharedEnv, SharedEnv]:
    """The robot to learn with, and the same to be evaluated on."""
    env = build_env(task, render, robot)
    return share(env, _judged(env, robot))


def _judged(env: Any, robot: RobotConfig) -> Any:
    """As evaluations see it: nobody presses keys there, so a person who judges is asked."""
    return AskedSuccess(env) if robot.success == "person" else env

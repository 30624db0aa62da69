"""`robot-rl eval`: a policy folder on held-out seeds of its task, simulated or on a robot."""

import argparse
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robot_rl.analysis.video import write_mp4
from robot_rl.build.compose import elsewhere
from robot_rl.build.envs import build_evaluation_env
from robot_rl.config.schema import from_tree
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.envs.registry import RenderConfig, TaskConfig
from robot_rl.errors import ConfigError, RunDirectoryError
from robot_rl.training.evaluate import Evaluation, evaluate

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    if arguments.episodes < 1:
        raise ConfigError(f"--episodes is {arguments.episodes}; it must be at least 1.")
    result, rate_hz = evaluate_folder(
        policy_folder(Path(arguments.folder)),
        arguments.episodes,
        bool(arguments.video),
        arguments.overrides,
    )
    for name, value in result.metrics().items():
        print(f"{name:20s} {value:.4g}")
    if arguments.video:
        write_mp4(Path(arguments.video), result.film, rate_hz)
    return 0


def policy_folder(path: Path) -> PolicyFolder:
    """The folder itself or the one inside a run. Raises `RunDirectoryError` without either."""
    for candidate in (PolicyFolder(path / "policy"), PolicyFolder(path)):
        if candidate.exists():
            return candidate
    raise RunDirectoryError(
        f"{path} is neither a policy folder nor a finished run. `robot-rl export {path}` writes "
        "the policy of a run that is still training."
    )


def evaluate_folder(
    folder: PolicyFolder, episodes: int, film: bool, overrides: Sequence[str] = ()
) -> tuple[Evaluation, float]:
    """The evaluation and the control rate; on the robot, or as varied, as `overrides` say.

    Refuses a task or a robot of another interface, field by field, before anything moves.
    """
    with contextlib.closing(_open(folder, overrides)) as env:
        env.interface.require_equal(folder.interface(), f"the policy in {folder.root}")
        result = evaluate(folder.load(), env, episodes, film)
    return result, env.interface.control_rate_hz


def _open(folder: PolicyFolder, overrides: Sequence[str]) -> Any:
    training = folder.config()["training"]
    render = from_tree(RenderConfig, training["render"], "render")
    if not overrides:
        return build_evaluation_env(from_tree(TaskConfig, training["task"], "task"), render)
    task, robot = elsewhere(training["task"], overrides)
    return build_evaluation_env(task, render, robot)

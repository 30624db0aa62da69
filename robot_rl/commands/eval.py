"""`robot-rl eval`: a policy folder on held-out seeds of its task."""

import argparse
import logging
from pathlib import Path

from robot_rl.analysis.video import write_mp4
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
        policy_folder(Path(arguments.folder)), arguments.episodes, film=bool(arguments.video)
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


def evaluate_folder(folder: PolicyFolder, episodes: int, film: bool) -> tuple[Evaluation, float]:
    """The evaluation and the control rate. Refuses a task whose interface has changed."""
    training = folder.config()["training"]
    env = build_evaluation_env(
        from_tree(TaskConfig, training["task"], "task"),
        from_tree(RenderConfig, training["render"], "render"),
    )
    env.interface.require_equal(folder.interface(), f"the policy in {folder.root}")
    result = evaluate(folder.load(), env, episodes, film)
    env.close()
    return result, env.interface.control_rate_hz

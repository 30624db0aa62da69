"""`robot-rl adapt`: the policy of a run, for a look that it was not trained in."""

import argparse
import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robot_rl.agents.adaptation import Adaptation, AdaptationConfig
from robot_rl.build.agents import load_agent
from robot_rl.build.compose import elsewhere
from robot_rl.build.config import TrainConfig, train_config
from robot_rl.build.envs import build_env, build_evaluation_env
from robot_rl.build.run import build_replay
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.envs.registry import TaskConfig
from robot_rl.envs.variation import BEYOND_LOOKS
from robot_rl.errors import ConfigError, RunDirectoryError
from robot_rl.networks.dreaming import DreamingPolicy
from robot_rl.replay import Replay
from robot_rl.replay.journal import Journal
from robot_rl.training.adapt import Adapter, AdaptLength
from robot_rl.training.evaluate import Evaluation, evaluate
from robot_rl.training.run import RunDirectory, read_yaml
from robot_rl.types import Interface

_TOLD_EVERY = 200


def run(arguments: argparse.Namespace) -> int:
    length = AdaptLength(pairs=arguments.pairs, steps=arguments.steps, updates=arguments.updates)
    directory = RunDirectory(Path(arguments.run_dir))
    if not directory.config.exists():
        raise RunDirectoryError(f"{directory.root} holds no run: config.yaml is missing.")
    config = train_config(read_yaml(directory.config))
    policy = adaptable(directory, config)
    task = changed_look(config, arguments.overrides)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    adaptation = Adaptation(AdaptationConfig(), policy)
    with contextlib.ExitStack() as closing:
        old, new = (_opened(closing, look, config) for look in (config.task, task))
        judged = _opened(closing, task, config, judged=True)
        source = lived_through(config, directory, policy.interface)
        adapter = Adapter(adaptation, old, new, source, arguments.seed)
        _say("before", evaluate(policy, judged, arguments.episodes, film=False))
        adapter.calibrate(length.pairs)
        adapter.practise(length.steps, length.updates, _tell)
        result = evaluate(adaptation.policy, judged, arguments.episodes, film=False)
    _say("after", result)
    folder = PolicyFolder(Path(arguments.out))
    folder.write(adaptation.policy, dataclasses.replace(config, task=task), result.metrics())
    print(f"policy folder  {folder.place}")
    return 0


def adaptable(directory: RunDirectory, config: TrainConfig) -> DreamingPolicy:
    """The run's policy. Raises `ConfigError` where no model could stay, and without a camera."""
    policy = load_agent(directory.root, Interface.load(directory.interface)).policy()
    if not (isinstance(policy, DreamingPolicy) and policy.kind == DreamingPolicy.kind):
        raise ConfigError(
            f"agent={config.agent.name} has no model that could stay while its encoder changes. "
            "Adapt a run of agent=repo, dreamer, infopower or r2dreamer."
        )
    if not policy.interface.cameras:
        raise ConfigError(
            f"{directory.root} has no camera: nothing that it sees can look different."
        )
    return policy


def changed_look(config: TrainConfig, overrides: Sequence[str]) -> TaskConfig:
    """The run's task as `overrides` change it.

    Raises `ConfigError` for a robot, for no change, and where more than the look would differ.
    """
    task, robot = elsewhere(dataclasses.asdict(config.task), overrides)
    if robot.present or not any("variation" in text for text in overrides):
        raise ConfigError(
            "a policy is adapted to simulations that look different: variation=NAME of `robot-rl "
            "list variations`, task.variation.KEY=VALUE."
        )
    before, after = config.task.variation, task.variation
    moved = [name for name in BEYOND_LOOKS if getattr(before, name) != getattr(after, name)]
    if moved:
        raise ConfigError(
            f"task.variation.{moved[0]} changes how the simulation moves, or when it is seen: its "
            "pictures cannot be paired with the old ones. Change how it looks alone: colour, "
            f"texture, light, camera, background. Of {', '.join(moved)} keep the run's."
        )
    return task


def lived_through(config: TrainConfig, run: RunDirectory, interface: Interface) -> Replay:
    """What the run recorded. Raises `RunDirectoryError` where its replay is gone."""
    replay = build_replay(config, interface, torch.device("cpu"), 0)
    rows = config.replay.capacity // config.lanes
    for lane in range(config.lanes):
        with contextlib.closing(Journal(run.replay, lane, interface, rows)) as journal:
            journal.restore(replay, repair=False)
    if not len(replay):
        raise RunDirectoryError(
            f"{run.replay} holds no step: what the policy saw while it learned is needed to adapt "
            "it."
        )
    return replay


def _opened(
    closing: contextlib.ExitStack, task: TaskConfig, config: TrainConfig, judged: bool = False
) -> Any:
    opened = build_evaluation_env if judged else build_env
    return closing.enter_context(contextlib.closing(opened(task, config.render)))


def _say(when: str, result: Evaluation) -> None:
    print(f"{when:7s} {result}", flush=True)


def _tell(update: int, metrics: dict[str, Tensor]) -> None:
    if update % _TOLD_EVERY == 0:
        shown = "  ".join(f"{name} {float(value):.4g}" for name, value in metrics.items())
        print(f"update {update:6,d}  {shown}", flush=True)

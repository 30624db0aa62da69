"""`robot-rl collect`: demonstrations of a task, by a person, a simulated human or the expert."""

import argparse
import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robot_rl.build.compose import compose
from robot_rl.build.config import TrainConfig
from robot_rl.build.envs import build_env
from robot_rl.build.people import build_device, by_person
from robot_rl.clocks import Pace
from robot_rl.envs.reward import RewardConfig
from robot_rl.episodes.folder import EpisodesFolder, create
from robot_rl.errors import ConfigError
from robot_rl.interventions.gate import Gate
from robot_rl.training.demonstrations import DemonstrationRecorder
from robot_rl.training.run import StopSignals

# Far from the seeds of training and of evaluation.
_FIRST_SEED = 2**33


def run(arguments: argparse.Namespace) -> int:
    if arguments.episodes < 1:
        raise ConfigError(f"--episodes is {arguments.episodes}; it must be at least 1.")
    config = _config(arguments.overrides)
    if arguments.label:
        config = _endless(config)
    keep_failures = arguments.keep_failures or arguments.label
    out = Path(arguments.out)
    kept = collect(config, out, arguments.episodes, keep_failures, arguments.label)
    print(f"{kept} episodes in {out}")
    return 0


def collect(
    config: TrainConfig, out: Path, episodes: int, keep_failures: bool, labelling: bool = False
) -> int:
    """Record until `out` holds `episodes`; how many it holds.

    The same command goes on where it was stopped.
    """
    env = build_env(config.task, config.render, config.robot)
    with contextlib.closing(env):
        return _record(config, env, out, episodes, keep_failures, labelling)


def _record(
    config: TrainConfig, env: Any, out: Path, episodes: int, keep_failures: bool, labelling: bool
) -> int:
    always = config.human.device == "simulated" and config.human.simulated.gate == "always"
    gate = Gate(build_device(config, env.interface, None, 0), config.human.gate, env.interface)
    journal = create(out, env.interface)
    recorder = DemonstrationRecorder(
        env,
        gate,
        journal,
        "expert" if always else "human",
        Pace(env.interface.control_rate_hz) if by_person(config.human) else None,
        labelling,
    )
    # Steps outnumber attempts, so a recording that goes on draws seeds it has never used.
    first_seed = _FIRST_SEED + (config.seed << 24) + journal.steps
    kept = sum(e.finished for e in EpisodesFolder(out).episodes()) if journal.steps else 0
    try:
        gate.device.start()
        with StopSignals() as stop:
            done = lambda: stop() or kept >= episodes  # noqa: E731
            for attempt in recorder.record(first_seed, not keep_failures, done):
                kept += attempt.kept
                if attempt.steps:
                    print(
                        f"{kept:4d}  {_told(attempt.kept, attempt.success)}, {attempt.steps} steps"
                    )
    finally:
        gate.device.close()
        journal.close()
    return kept


def _endless(config: TrainConfig) -> TrainConfig:
    """A success ends nothing: a dense task goes on after it, and so does an unjudged robot."""
    reward = config.task.reward if config.robot.present else "dense"
    return dataclasses.replace(
        config,
        task=dataclasses.replace(config.task, reward=reward, reward_model=RewardConfig()),
        robot=dataclasses.replace(config.robot, success="person"),
    )


def _config(overrides: Sequence[str]) -> TrainConfig:
    """Without a device the task's expert demonstrates."""
    config = compose(overrides)
    if config.human.device != "none":
        return config
    simulated = dataclasses.replace(config.human.simulated, gate="always")
    return dataclasses.replace(
        config, human=dataclasses.replace(config.human, device="simulated", simulated=simulated)
    )


def _told(kept: bool, success: bool) -> str:
    outcome = "success" if success else "no success"
    return outcome if kept else f"{outcome}, discarded"

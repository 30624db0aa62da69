"""`robot-rl train`: start a run or continue one, then evaluate, plot and export it; or many."""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import yaml

from robot_rl.build.compose import (
    compose,
    compose_tree,
    expand_sweep,
    launcher_config,
    resume,
    split_launcher,
    split_run_dir,
    sweep_run_dir,
)
from robot_rl.build.config import TrainConfig, train_config
from robot_rl.build.finish import finish
from robot_rl.build.people import by_person
from robot_rl.build.run import build_trainer, close_env, default_run_dir
from robot_rl.errors import ConfigError, CorruptFileError
from robot_rl.launching.jobs import Job, with_one_thread
from robot_rl.launching.sweep import carry_out
from robot_rl.training.loop import Trainer
from robot_rl.training.monitor import Monitor
from robot_rl.training.run import RunDirectory, StopSignals, read_yaml, write_text

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    launcher, typed = split_launcher(arguments.overrides)
    run_dir, overrides = split_run_dir(typed)
    if arguments.multirun:
        return sweep(run_dir, overrides, launcher)
    if launcher:
        raise ConfigError(f"{launcher[0]} launches the runs of a sweep; add -m.")
    return train(run_dir, overrides)


def sweep(run_dir: str, overrides: Sequence[str], launcher: Sequence[str]) -> int:
    """Every combination of what was typed, each a run in a folder inside `run_dir`."""
    if not run_dir:
        raise ConfigError("a sweep needs run_dir=FOLDER; each job becomes a folder inside it.")
    config = launcher_config(launcher)
    root = Path(run_dir).absolute()
    jobs = [_job(root, job, overrides) for job in expand_sweep(overrides)]
    directory = RunDirectory(root)
    directory.open()  # one launcher at a time
    try:
        return 0 if carry_out(root, jobs, config) else 1
    finally:
        directory.close()


def _job(root: Path, job: Sequence[str], overrides: Sequence[str]) -> Job:
    """Raises what is wrong with it before any run starts."""
    config = compose(job)
    if config.robot.present or by_person(config.human):
        raise ConfigError(
            "a sweep runs by itself, and these runs need a robot or a person: start them one by "
            "one, without -m."
        )
    return Job(
        run_dir=sweep_run_dir(str(root), job, overrides),
        overrides=with_one_thread(job),
        total=config.offline_updates if config.offline else config.steps,
        clock="updates" if config.offline else "step",
        cwd=Path.cwd(),
    )


def train(run_dir: str, overrides: Sequence[str]) -> int:
    """One run, from where its directory stands."""
    root = Path(run_dir) if run_dir else default_run_dir(compose(overrides))
    directory = RunDirectory(root)
    directory.open()
    try:
        config = _settle_config(directory, overrides)
        return _train(config, directory)
    finally:
        directory.close()


def _settle_config(directory: RunDirectory, overrides: Sequence[str]) -> TrainConfig:
    """The saved configuration of an old run, or the new one, saved before anything runs.

    A start that was refused before its first step binds nobody who types other settings.
    """
    typed, all_typed = directory.root / "overrides.json", list(overrides)
    if directory.config.exists() and (directory.has_begun or not overrides):
        before = _typed_before(typed)
        tree, all_typed = resume(read_yaml(directory.config), before, overrides)
        config = train_config(tree)
    else:
        config, tree = compose(overrides), compose_tree(overrides)
        directory.save_versions()
        if not directory.has_begun:
            directory.interface.unlink(missing_ok=True)
    write_text(typed, json.dumps(all_typed) + "\n")
    write_text(directory.config, yaml.safe_dump(tree, sort_keys=False))
    return config


def _typed_before(path: Path) -> list[str]:
    try:
        return [str(override) for override in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError) as error:
        raise CorruptFileError(f"{path} cannot be read: {error}") from error


def _train(config: TrainConfig, directory: RunDirectory) -> int:
    trainer = build_trainer(config, directory)
    try:
        return _run(trainer, config, directory)
    finally:
        close_env(trainer.parts.eval_env)


def _run(trainer: Trainer, config: TrainConfig, directory: RunDirectory) -> int:
    learner, task = trainer.learner, trainer.parts.interface.task
    title = f"{task}  {config.agent.name}  seed {config.seed}  {directory.root}"
    with StopSignals() as stop:
        resumed = trainer.load_or_start()
        if 0 < config.steps <= config.agent.seed_steps and not config.offline_updates:
            log.warning(
                "nothing will be learned: the first %s steps are random (agent.seed_steps)",
                config.agent.seed_steps,
            )
        at = learner.progress()
        verb = "continuing" if resumed else "starting"
        log.info("%s %s at %s %d", verb, title, at.clock, at.now)
        monitor = Monitor(directory.root, title, learner.shown, at, config.offline)
        try:
            if trainer.train(monitor, stop):
                finish(trainer, config, monitor, stop)
            else:
                at = learner.progress()
                monitor.say(f"stopped at {at.clock} {at.now:,}; the same command continues")
        finally:
            monitor.close()
    return 0

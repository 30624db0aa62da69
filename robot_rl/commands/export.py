"""`robot-rl export`: the policy folder of a run, finished or not."""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from robot_rl.build.agents import build_agent
from robot_rl.build.config import train_config
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.onnx import export_onnx
from robot_rl.errors import ConfigError, RunDirectoryError
from robot_rl.networks.compute import Compute
from robot_rl.training.checkpoint import load_newest
from robot_rl.training.run import RunDirectory, read_yaml
from robot_rl.types import Interface, Metrics


def run(arguments: argparse.Namespace) -> int:
    directory = RunDirectory(Path(arguments.run_dir))
    folder = PolicyFolder(Path(arguments.out) if arguments.out else directory.policy)
    if arguments.settings and not arguments.out:
        raise ConfigError("another way of acting goes into a folder of its own: --out FOLDER.")
    if arguments.out or not folder.exists():
        export_checkpoint(directory, folder, policy_settings(arguments.settings))
    print(f"policy folder  {folder.place}")
    if arguments.onnx:
        difference = export_onnx(folder.load(), folder.place)
        print(f"ONNX           {folder.place / 'policy.onnx'}  (actions agree to {difference:.1g})")
    return 0


def policy_settings(overrides: Sequence[str]) -> dict[str, Any]:
    """`policy.KEY=VALUE` as values by dotted name. Raises `ConfigError` for anything else."""
    for override in overrides:
        if not re.match(r"policy\.[\w.]+=.", override):
            raise ConfigError(
                f"{override} cannot be set here; policy.KEY=VALUE changes how the policy acts, "
                "such as policy.plan=false."
            )
    pairs = (override.removeprefix("policy.").partition("=") for override in overrides)
    return {key: yaml.safe_load(value) for key, _, value in pairs}


def export_checkpoint(
    directory: RunDirectory, folder: PolicyFolder, settings: Mapping[str, Any] | None = None
) -> None:
    """Write `folder` from the newest checkpoint, acting under other `settings` of the policy.

    Raises `RunDirectoryError` where there is no checkpoint.
    """
    if not directory.config.exists():
        raise RunDirectoryError(f"{directory.root} holds no run: config.yaml is missing.")
    state = load_newest(directory.checkpoints)
    if state is None:
        raise RunDirectoryError(f"the run in {directory.root} has no checkpoint yet.")
    config = train_config(read_yaml(directory.config))
    interface = Interface.load(directory.interface)
    agent = build_agent(
        config.agent.for_run(config.steps), interface, Compute.choose("cpu", "float32")
    )
    agent.load_state_dict(state["agent"])
    metrics: Metrics = {"steps": state["agent"]["step"], "train_s": round(state["train_s"], 1)}
    folder.write(agent.policy().with_settings(settings or {}), config, metrics)

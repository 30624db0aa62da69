"""`robot-rl export`: the policy folder of a run, finished or not."""

import argparse
from pathlib import Path

from robot_rl.build.agents import build_agent
from robot_rl.build.config import train_config
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.onnx import export_onnx
from robot_rl.errors import RunDirectoryError
from robot_rl.networks.compute import Compute
from robot_rl.training.checkpoint import load_newest
from robot_rl.training.run import RunDirectory, read_yaml
from robot_rl.types import Interface, Metrics


def run(arguments: argparse.Namespace) -> int:
    directory = RunDirectory(Path(arguments.run_dir))
    folder = PolicyFolder(Path(arguments.out) if arguments.out else directory.policy)
    if arguments.out or not folder.exists():
        export_checkpoint(directory, folder)
    print(f"policy folder  {folder.place}")
    if arguments.onnx:
        difference = export_onnx(folder.load(), folder.place)
        print(f"ONNX           {folder.place / 'policy.onnx'}  (actions agree to {difference:.1g})")
    return 0


def export_checkpoint(directory: RunDirectory, folder: PolicyFolder) -> None:
    """Write `folder` from the newest checkpoint. Raises `RunDirectoryError` where there is none."""
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
    folder.write(agent.policy(), config, metrics)

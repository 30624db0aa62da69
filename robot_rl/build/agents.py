"""Agents from a configuration, and those of finished or running runs."""

from pathlib import Path

from robot_rl.agents.base import AGENTS, Agent, AgentConfig
from robot_rl.build.config import train_config
from robot_rl.errors import RunDirectoryError
from robot_rl.networks.compute import Compute
from robot_rl.training.checkpoint import load_newest
from robot_rl.training.run import RunDirectory, read_yaml
from robot_rl.types import Interface


def build_agent(config: AgentConfig, interface: Interface, compute: Compute) -> Agent:
    """The agent that `config.name` names. Weights come from torch's global generator."""
    return AGENTS.load(config.name).build(config, interface, compute)


def load_agent(run_dir: Path, interface: Interface) -> Agent:
    """The agent of a run as it stands, on the CPU.

    Raises `InterfaceMismatchError` for another interface, `RunDirectoryError` without a run.
    """
    run = RunDirectory(run_dir)
    state = load_newest(run.checkpoints) if run.config.exists() else None
    if state is None:
        raise RunDirectoryError(f"{run_dir} holds no run with a checkpoint.")
    Interface.load(run.interface).require_equal(interface, f"the agent in {run_dir}")
    config = train_config(read_yaml(run.config))
    agent = build_agent(
        config.agent.for_run(config.steps), interface, Compute.choose("cpu", "auto")
    )
    agent.load_state_dict(state["agent"])
    return agent

"""World models in the compact size on the frames of `arm/reach`, one thread: updates and plans."""

import numpy as np
import torch

from benchmarks.timing import Row, median_s
from robot_rl.agents.base import Agent
from robot_rl.build.agents import build_agent
from robot_rl.build.compose import compose
from robot_rl.build.config import TrainConfig
from robot_rl.build.envs import build_evaluation_env
from robot_rl.networks.compute import Compute
from robot_rl.networks.policy import PolicyMemory, random_observation
from robot_rl.replay import Replay
from robot_rl.replay.storage import Step
from robot_rl.types import Interface

TITLE = "world models, compact"
_ROWS, _EPISODE, _RATIO = 2000, 100, 0.5


def run() -> list[Row]:
    torch.set_num_threads(1)
    planning = [row for name in _PLANNERS for row in _planning(name)]
    return planning + [_dreaming(name) for name in _DREAMERS]


_PLANNERS = ("tdmpc2", "modem")
_DREAMERS = ("dreamer", "r2dreamer", "repo", "infopower", "mvmwm")


def _planning(name: str) -> list[Row]:
    config, interface, agent, update_s = _measured(name)
    memory = PolicyMemory(agent.actor(), 1)
    seen = random_observation(interface, np.random.default_rng(0))
    plan_s = median_s(lambda: memory.act([seen]))
    told = f"{name}, batch {config.agent.batch_size}"
    return [
        Row(f"{told}, update", 1e3 * update_s, "ms"),
        Row(f"{name}, plan", 1e3 * plan_s, "ms", "<= 50"),
        Row(
            f"{name}, steps with {_RATIO} updates each",
            1.0 / (plan_s + _RATIO * update_s),
            "steps/s",
            ">= 20",
        ),
    ]


def _dreaming(name: str) -> Row:
    config, _, _, update_s = _measured(name)
    windows = f"{config.agent.batch_size} x {config.agent.draws.window}"
    return Row(f"{name}, sequences of {windows}", 1.0 / update_s, "updates/s", ">= 6")


def _measured(name: str) -> tuple[TrainConfig, Interface, Agent, float]:
    """The agent, and the median time of an update with its draw."""
    config = compose((f"agent={name}", "num_envs=0"))
    interface = _interface(config)
    agent = build_agent(
        config.agent.for_run(config.steps), interface, Compute.choose("cpu", "auto")
    )
    agent.step = config.steps  # long after whatever comes first
    replay = _filled(config, interface)
    size = config.agent.batch_size
    update_s = median_s(lambda: agent.update(replay.sample(size)), seconds=6.0)
    return config, interface, agent, update_s


def _interface(config: TrainConfig) -> Interface:
    env = build_evaluation_env(config.task, config.render)
    try:
        return env.interface
    finally:
        env.close()


def _filled(config: TrainConfig, interface: Interface) -> Replay:
    """A replay of random frames in episodes."""
    rng = np.random.default_rng(0)
    replay = Replay(_ROWS, config.agent.draws, interface, 1, seed=0)
    for row in range(_ROWS):
        seen = random_observation(interface, rng)
        if row % _EPISODE == 0:
            replay.begin(0, seen)
        else:
            action = rng.uniform(-1, 1, interface.action_size).astype(np.float32)
            ends = row % _EPISODE == _EPISODE - 1
            replay.add(0, Step(action, 1.0, False, ends, "policy"), seen)
    return replay

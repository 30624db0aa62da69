"""World models on the frames of `arm/reach`, one thread: updates and plans, eager and compiled."""

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

TITLE = "world models"
_ROWS, _EPISODE, _RATIO = 2000, 100, 0.5


def run() -> list[Row]:
    torch.set_num_threads(1)
    planning = [row for name in _PLANNERS for row in _planning(name)]
    dreaming = [_dreaming(name, *large) for name in _DREAMERS for large in ((), _LARGE)]
    return planning + dreaming + [row for name in _OTHERWISE for row in _otherwise(name)]


_PLANNERS = ("tdmpc2", "modem")
_DREAMERS = ("dreamer", "r2dreamer", "repo", "infopower", "mvmwm")
_LARGE = ("agent.batch_size=16", "agent.segment_length=32", "agent.imagine_from=128")
_OTHERWISE = ("tdmpc2", "repo")  # compiled, and in the size of its paper


def _planning(name: str) -> list[Row]:
    made = Made(name)
    update_s, plan_s = made.update_s(), made.plan_s()
    told = f"{name}, batch {made.config.agent.batch_size}"
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


def _dreaming(name: str, *windows: str) -> Row:
    made = Made(name, *windows)
    told = f"{name}, sequences of {made.config.agent.batch_size} x {made.config.agent.draws.window}"
    return Row(told, 1.0 / made.update_s(), "updates/s", ">= 6" if windows else "")


def _otherwise(name: str) -> list[Row]:
    eager, compiled, paper = Made(name), Made(name), Made(name, "size=paper")
    compiled.agent.compile()
    rows = [
        Row(f"{name}, update, eager / compiled", eager.update_s() / compiled.update_s(), "times"),
        Row(f"{name}, paper, update", 1e3 * paper.update_s(), "ms"),
    ]
    if name in _PLANNERS:
        rows.append(Row(f"{name}, paper, plan", 1e3 * paper.plan_s(), "ms"))
    return rows


class Made:
    """An agent in a size, compact by default, and a replay that it can learn from."""

    def __init__(self, name: str, *settings: str) -> None:
        self.config = compose((f"agent={name}", "num_envs=0", *settings))
        self.interface = _interface(self.config)
        self.agent: Agent = build_agent(
            self.config.agent.for_run(self.config.steps),
            self.interface,
            Compute.choose("cpu", "auto"),
        )
        self.agent.step = self.config.steps  # long after whatever comes first
        self._replay = _filled(self.config, self.interface)

    def update_s(self) -> float:
        """The median time of an update with its draw."""
        size = self.config.agent.batch_size
        return median_s(lambda: self.agent.update(self._replay.sample(size)), seconds=6.0)

    def plan_s(self) -> float:
        memory = PolicyMemory(self.agent.actor(), 1)
        seen = random_observation(self.interface, np.random.default_rng(0))
        return median_s(lambda: memory.act([seen]))


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

"""Runs small enough for one test: three-step episodes of random frames, paid 1, 2 and 3."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from robot_rl.agents.pixel_agent import PixelConfig
from robot_rl.envs.vector import EnvLane, InlineEnvs
from robot_rl.interventions.device import NoDevice
from robot_rl.interventions.gate import Gate, GateConfig
from robot_rl.replay import Replay
from robot_rl.replay.journal import Journal
from robot_rl.replay.storage import Step
from robot_rl.training.hooks import Hook
from robot_rl.training.learner import Learner
from robot_rl.training.loop import Trainer
from robot_rl.training.monitor import Monitor
from robot_rl.training.parts import LoopConfig, Parts
from robot_rl.training.run import RunDirectory
from tests.agents.tiny import make_agent
from tests.conftest import make_interface, random_obs

INTERFACE = make_interface()
STEPS, CAPACITY, BATCH = 3, 300, 4


class ThreeSteps(gym.Env):
    """What is seen depends on the seed and on how often it was stepped."""

    interface = INTERFACE

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        self.rng, self.t = np.random.default_rng(seed), 0
        return random_obs(INTERFACE, self.rng), {"success": False}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        info = {"success": self.t == STEPS, "applied_action": action, "source": "policy"}
        return random_obs(INTERFACE, self.rng), float(self.t), False, self.t == STEPS, info


def three_steps(lanes: int = 1, first_episode: int = 0) -> InlineEnvs:
    return InlineEnvs([EnvLane(ThreeSteps, 5, lane, first_episode) for lane in range(lanes)])


def nobody() -> Gate:
    return Gate(NoDevice(), GateConfig(), INTERFACE)


def make_trainer(
    root: Path,
    config: LoopConfig,
    agent: PixelConfig,
    hooks: Sequence[Hook] = (),
    demo_episodes: int = 0,
    **parts: Any,
) -> Trainer:
    """In `root`, before `load_or_start`; the last lane has demonstrations of random actions."""
    run = RunDirectory(root)
    built = make_agent(type(agent), INTERFACE)
    rows = demo_episodes * (STEPS + 1)
    replay = Replay(CAPACITY, built.config.draws, INTERFACE, 1, seed=0, demo_rows=rows)
    demonstrate(replay, demo_episodes)
    settings = {
        "run": run,
        "interface": INTERFACE,
        "agent": built,
        "replay": replay,
        "journals": [Journal(run.replay, 0, INTERFACE, CAPACITY)],
        "make_envs": lambda first: three_steps(1, first),
        "eval_env": ThreeSteps(),
        "batch_size": BATCH,
        "seed_steps": 3,
        "gates": [nobody()],
        "hooks": list(hooks),
    }
    return Trainer(config, Parts(**{**settings, **parts}), seed=0)


def train(trainer: Trainer, updates: int | None = None) -> bool:
    """To its end, or until an orderly stop after so many updates."""
    learner, root = trainer.learner, trainer.parts.run.root
    monitor = Monitor(root, "tiny", learner.shown, learner.progress(), live=False)
    try:
        return trainer.train(monitor, lambda: _reached(learner, updates))
    finally:
        monitor.close()


def _reached(learner: Learner, updates: int | None) -> bool:
    return updates is not None and learner.updates >= updates


def demonstrate(replay: Replay, episodes: int) -> None:
    rng = np.random.default_rng(3)
    for _ in range(episodes):
        replay.begin(1, random_obs(INTERFACE, rng))
        for t in range(1, STEPS + 1):
            action = rng.uniform(-1, 1, INTERFACE.action_size).astype(np.float32)
            step = Step(action, float(t), False, t == STEPS, source="expert")
            replay.add(1, step, random_obs(INTERFACE, rng))

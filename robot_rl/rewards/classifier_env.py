"""The classifier as reward and as the end of an episode."""

from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.envs.wrappers import TaskWrapper
from robot_rl.rewards.classifier import load
from robot_rl.types import Observation


class ClassifierReward(TaskWrapper):
    """Pays 1 and ends once a classifier has seen success in `hold` frames in a row, else 0.

    `folder` is one of `robot-rl classifier`. `info["success"]` is its verdict, and
    `info["task_success"]` the task's own where it knows it.
    """

    def __init__(self, env: Any, folder: str, hold: int = 2) -> None:
        super().__init__(env)
        self._classifier = load(Path(folder))
        self._classifier.require_fit(env.interface, folder)
        self._hold = hold
        self._held = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        self._held = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: np.ndarray) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        obs, _, terminated, truncated, info = self.env.step(action)
        sure = float(self._classifier.probability([obs])[0]) >= self._classifier.threshold
        self._held = self._held + 1 if sure else 0
        success = self._held >= self._hold
        info = {**info, "success": success, "task_success": info["success"]}
        return obs, float(success), terminated or success, truncated and not success, info

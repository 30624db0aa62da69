"""The classifier as reward and as the end of an episode."""

from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.envs.wrappers import TaskWrapper
from robot_rl.rewards.classifier import load
from robot_rl.types import Observation


class ClassifierReward(TaskWrapper):
    """1 and the end once the classifier has said success in `hold` frames in a row, else 0.

    `info["success"]` is its verdict, `info["task_success"]` the task's own where it knows it.
    """

    def __init__(self, env: Any, folder: Path, hold: int = 2) -> None:
        super().__init__(env)
        self._classifier = load(folder)
        self._classifier.require_fit(env.interface, str(folder))
        self._hold = hold
        self._held = 0

    def reset(self, **options: Any) -> tuple[Observation, dict[str, Any]]:
        self._held = 0
        return self.env.reset(**options)

    def step(self, action: np.ndarray) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        obs, _, terminated, truncated, info = self.env.step(action)
        sure = float(self._classifier.probability([obs])[0]) >= self._classifier.threshold
        self._held = self._held + 1 if sure else 0
        success = self._held >= self._hold
        info = {**info, "success": success, "task_success": info["success"]}
        return obs, float(success), terminated or success, truncated and not success, info

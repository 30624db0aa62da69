"""Success by a person's word."""

from collections.abc import Callable
from typing import Any

import numpy as np

from robot_rl.envs.wrappers import TaskWrapper
from robot_rl.types import Observation


class AskedSuccess(TaskWrapper):
    """Asks at the end of every episode of `env`, which can `hold`, whether it succeeded."""

    def __init__(self, env: Any, ask: Callable[[str], str] = input) -> None:
        super().__init__(env)
        self._ask = ask

    def step(self, action: np.ndarray) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            self.env.unwrapped.hold()  # type: ignore[attr-defined]
            success = self._ask("Did it succeed? [y/N] ").strip().lower().startswith("y")
            info = {**info, "success": success}
            reward = float(success)
        return obs, reward, terminated, truncated, info

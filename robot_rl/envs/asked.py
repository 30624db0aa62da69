"""Success by a person's word."""

from collections.abc import Callable
from typing import Any

import numpy as np

from robot_rl.envs.wrappers import TaskWrapper
from robot_rl.errors import ConfigError
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
            success = self._says_yes("Did it succeed? [y/N] ")
            info = {**info, "success": success}
            reward = float(success)
        return obs, reward, terminated, truncated, info

    def _says_yes(self, question: str) -> bool:
        """Raises `ConfigError` where nobody can answer."""
        try:
            return self._ask(question).strip().lower().startswith("y")
        except EOFError as error:
            raise ConfigError(
                "robot.success=person asks at a terminal, and there is none. Start this in one, or "
                "let success be judged otherwise: robot.success=driver or reward_model."
            ) from error

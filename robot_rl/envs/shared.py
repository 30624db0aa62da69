"""One environment for two users: a robot exists once, and is both learned with and evaluated on."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_rl.envs.wrappers import TaskWrapper
from robot_rl.types import Observation


@dataclass
class _Turn:
    """Whose episode is running."""

    user: "SharedEnv | None" = None


class SharedEnv(TaskWrapper):
    """One user's view of `env`, which can `hold`. Who resets has it.

    The other one's episode is over then: its next step moves nothing, shows its last observation
    again and truncates. To close a view is to hold; `release` closes the environment itself.
    """

    def __init__(self, env: Any, turn: _Turn) -> None:
        super().__init__(env)
        self._turn = turn
        self._obs: Observation = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        self._turn.user = self
        self._obs, info = self.env.reset(seed=seed, options=options)
        return self._obs, info

    def step(self, action: np.ndarray) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        if self._turn.user is not self:
            return self._interrupted()
        self._obs, reward, terminated, truncated, info = self.env.step(action)
        return self._obs, reward, terminated, truncated, info

    def close(self) -> None:
        self._hold()

    def release(self) -> None:
        self.env.close()

    def _interrupted(self) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        obs = {key: value.copy() for key, value in self._obs.items()}
        info = {
            "success": False,
            "applied_action": self._hold(),
            "source": "nobody",
            "stamp_s": math.nan,
        }
        return obs, 0.0, False, True, info

    def _hold(self) -> np.ndarray:
        return self.env.unwrapped.hold()  # type: ignore[attr-defined]


def share(env: Any, judged: Any | None = None) -> tuple[SharedEnv, SharedEnv]:
    """Two views of `env`; the second through `judged`, a wrapper of it, where there is one."""
    turn = _Turn()
    return SharedEnv(env, turn), SharedEnv(judged or env, turn)

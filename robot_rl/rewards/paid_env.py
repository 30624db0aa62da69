"""A task's environment in which a reward model pays."""

import dataclasses
from typing import Any

import numpy as np

from robot_rl.envs.reward import RewardConfig
from robot_rl.envs.wrappers import TaskWrapper
from robot_rl.errors import ConfigError
from robot_rl.rewards.model import RewardModel, Scores, clip_of
from robot_rl.rewards.payment import payments
from robot_rl.rewards.registry import make_reward
from robot_rl.rewards.sentences import goal_of
from robot_rl.types import Observation


class PaidEnv(TaskWrapper):
    """`model` pays every step by what it led to; `config` says how.

    `info["success"]` is the model's verdict, in as many observations in a row as end an episode,
    and `info["task_success"]` the task's own where it knows it. Raises `ConfigError` for a model
    that scores whole episodes.
    """

    def __init__(self, env: Any, model: RewardModel, config: RewardConfig, own: str) -> None:
        super().__init__(env)
        if model.sees == "episode":
            raise ConfigError(
                f"reward={config.name} scores whole episodes, and cannot pay before one ends: "
                "task.reward_model.when=episode."
            )
        self._model, self._config, self._own = model, config, own
        self._task = goal_of(env.interface.task, config.goal, model.reads)
        self._seen: list[Observation] = []
        self._before: Scores | None = None
        self._held = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        self._seen, self._held = [obs], 0
        self._before = self._scored()
        return obs, info

    def step(self, action: np.ndarray) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        if self._model.sees == "observation":
            self._seen.clear()
        self._seen.append(obs)
        assert self._before is not None, "step before reset"
        now = self._scored()
        success = self._verdict(float(now.success[0]))
        ends = success and self._config.ends_after > 0
        if self._config.ends_after and not success:  # pays once, by what is then sure
            now = dataclasses.replace(now, success=np.zeros_like(now.success))
        own = self._config.own_share * np.array([_own(self._own, reward, info)])
        paid = payments(self._before.and_then(now), own, self._config)
        self._before = now
        info = {
            **info,
            "success": success,
            "task_success": info["success"],
            "own_reward": float(reward),
        }
        return obs, float(paid[0]), terminated or ends, truncated and not ends, info

    def _scored(self) -> Scores:
        return self._model.score_last(clip_of(self._seen), self._task)

    def _verdict(self, success: float) -> bool:
        sure = success >= (self._config.threshold or 0.5)
        self._held = self._held + 1 if sure else 0
        return self._held >= max(1, self._config.ends_after)


class UnpaidEnv(TaskWrapper):
    """Pays its share of the task's own reward, until the end of the episode brings the rest.

    What the model will say of success is not known yet: `info["success"]` is the task's.
    """

    def __init__(self, env: Any, config: RewardConfig, own: str) -> None:
        super().__init__(env)
        self._share, self._own = config.own_share, own

    def step(self, action: np.ndarray) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        own = self._share * _own(self._own, reward, info)
        return obs, own, terminated, truncated, {**info, "own_reward": float(reward)}


def paid(env: Any, config: RewardConfig, own: str) -> Any:
    """`env`, whose own reward is dense, as `config` pays in it; `own` is the kind of the task's.

    Raises `ConfigError` and what the reward model raises where it does not fit the environment.
    """
    if config.when == "episode" or config.teaching.teacher:
        return UnpaidEnv(env, config, own)
    return PaidEnv(env, make_reward(config, env.interface), config, own)


def _own(kind: str, reward: Any, info: dict[str, Any]) -> float:
    """What the task itself pays: of a sparse one success, which ends nothing here."""
    return float(reward) if kind == "dense" else float(bool(info["success"]))

"""Who says which of two clips is better: the simulator's truth, a vision-language model, a
person."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_rl.envs.reward import TeachingConfig
from robot_rl.errors import ConfigError

# 1: the first is better, 0: the second, 0.5: they are equal; None: nothing can be said.
Choice = float | None


@dataclass(frozen=True)
class Question:
    """Two clips uint8 [T, H, W, 3]; `truths` are what the simulator paid for each in all, NaN
    where nobody knows."""

    first: np.ndarray
    second: np.ndarray
    truths: tuple[float, float] = (float("nan"), float("nan"))


class Teacher(ABC):
    """Answers questions about a task: `slow` ones beside the robot that goes on; some read
    `Question.truths`."""

    slow = False
    reads_truth = False

    @abstractmethod
    def choose(self, questions: Sequence[Question], task: str) -> list[Choice]:
        """In their order. Raises `RewardUnavailableError` where nobody answers now."""

    def close(self) -> None:
        """Nobody is asked any more; those who wait for answers override it."""
        return


class TruthfulTeacher(Teacher):
    """Prefers what the simulator paid more for; a share of its answers is wrong.

    Raises `ConfigError` where the simulator's truth is not known.
    """

    reads_truth = True

    def __init__(self, error_rate: float, equal_below: float, seed: int) -> None:
        self._error_rate, self._equal_below = error_rate, equal_below
        self._rng = np.random.default_rng(seed)

    def choose(self, questions: Sequence[Question], task: str) -> list[Choice]:
        return [self._chosen(*question.truths) for question in questions]

    def _chosen(self, first: float, second: float) -> Choice:
        if np.isnan(first) or np.isnan(second):
            raise ConfigError(
                "the truthful teacher reads what a simulation paid, and these clips were paid by "
                "nobody. Ask task.reward_model.teaching.teacher=vlm or person."
            )
        if abs(first - second) < self._equal_below:
            return 0.5
        right = float(first > second)
        return 1.0 - right if self._rng.random() < self._error_rate else right


def make_teacher(config: TeachingConfig, seed: int, answers: Path) -> Teacher:
    """The one that `config` names; what a model answers is kept in the file `answers`.

    Raises `ConfigError` without a name.
    """
    if config.teacher == "truth":
        return TruthfulTeacher(config.error_rate, config.equal_below, seed)
    if config.teacher == "vlm":
        from robot_rl.rewards.cache import ContentCache
        from robot_rl.rewards.server import ChatServer
        from robot_rl.rewards.vlm_teacher import VlmTeacher

        cache = ContentCache(answers)
        return VlmTeacher(ChatServer(config.url, config.model, cache=cache))
    if config.teacher == "person":
        from robot_rl.rewards.person import PersonTeacher

        return PersonTeacher(config.port)
    raise ConfigError("nobody teaches: task.reward_model.teaching.teacher=truth, vlm or person.")

"""Unsupervised perceptual rewards: the steps of a task and the features that tell them (Sermanet,
Xu and Levine 2017, arXiv:1612.06699)."""

from collections.abc import Sequence

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.rewards.encoders.base import FrameEncoder, digest
from robot_rl.rewards.encoders.registry import make_encoder
from robot_rl.rewards.goal_picture import demonstrated
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.types import Interface

_CHOSEN = 32  # features of a step (the paper's M)
_ALPHA = 5.0  # weighs how far a feature's means lie apart against how much it varies
_FLOOR = 1e-3  # of a deviation
_DOUBLED = 2.0  # what a step is worth beside the one before it


class PerceptualSteps(RewardModel):
    """Each step is a diagonal Gaussian over the few features that tell it from all others.

    `demos` is a folder of successes, cut into `steps` of as little variance as can be. A step's
    reward is its quadratic, scaled to [0, 1] over the demonstrations; later ones count double
    (section III-D). Progress is the mean of them all, success the last one's.
    """

    def __init__(
        self,
        interface: Interface,
        demos: str,
        steps: int = 3,
        encoder: str = "effnet_lite0_map",
        camera: str = "",
    ) -> None:
        if steps < 2:
            raise ConfigError(f"task.reward_model.settings.steps is {steps}; at least 2.")
        self._key = camera_key(interface, camera)
        self._encoder: FrameEncoder = make_encoder(encoder)
        self._encode = self._encoder.remembered
        shown = [self._encode(frames) for frames in demonstrated(demos, self._key)]
        parts = [_cut(episode, steps) for episode in shown]
        everything = np.concatenate(shown)
        each = [np.concatenate([part[i] for part in parts]) for i in range(steps)]
        self._steps = [
            _Step.fit(each[i], np.concatenate(each[:i] + each[i + 1 :]))
            for i in range(1, steps)  # what an episode begins with pays nothing
        ]
        marked = digest(everything).hex()
        self._identity = f"perceptual_steps/{self._key}/{self._encoder.identity}/{steps}/{marked}"

    @property
    def identity(self) -> str:
        return self._identity

    def score(self, clip: Clip, task: str) -> Scores:
        encoded = self._encode(frames_of(clip, self._key))
        paid = np.stack([step.paid(encoded) for step in self._steps])
        worth = _DOUBLED ** np.arange(len(paid))
        said = (worth @ paid / worth.sum()).astype(np.float32)
        return Scores(said, said, paid[-1].astype(np.float32))


class _Step:
    """Features `chosen` [M] with `mean` and `deviation`; `low` is the quadratic that pays 0."""

    def __init__(self, chosen: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> None:
        self._chosen, self._mean, self._deviation = chosen, mean, deviation
        self._low, self._high = -1.0, 0.0

    @classmethod
    def fit(cls, inside: np.ndarray, outside: np.ndarray) -> "_Step":
        chosen = select(inside, outside)
        mean, deviation = inside[:, chosen].mean(0), inside[:, chosen].std(0) + _FLOOR
        step = cls(chosen, mean, deviation)
        said = step._quadratic(outside)
        step._low, step._high = float(said.min()), float(np.median(step._quadratic(inside)))
        return step

    def paid(self, encoded: np.ndarray) -> np.ndarray:
        """[T] in [0, 1]."""
        span = max(self._high - self._low, 1e-6)
        return np.clip((self._quadratic(encoded) - self._low) / span, 0.0, 1.0)

    def _quadratic(self, encoded: np.ndarray) -> np.ndarray:
        off = (encoded[:, self._chosen] - self._mean) / self._deviation
        # Of the log: one quadratic of 32 features spans decades between steps.
        return -np.log1p((off**2).mean(1))


def select(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The features that tell a step best: alpha |mu+ - mu-| - (sigma+ + sigma-) (equation 1)."""
    gap = np.abs(inside.mean(0) - outside.mean(0))
    score = _ALPHA * gap - (inside.std(0) + outside.std(0))
    return np.argsort(-score)[:_CHOSEN]


def split(encoded: np.ndarray, steps: int) -> list[int]:
    """Where each step after the first begins, so that the mean deviation within steps is least.

    By dynamic programming over prefix sums: exact where the paper recurses.
    """
    length = len(encoded)
    if length < 2 * steps:
        raise ConfigError(
            f"a demonstration of {length} pictures is too short for {steps} steps. Record longer "
            "ones, or set fewer steps."
        )
    cost = _costs(encoded)
    best = np.full((steps + 1, length + 1), np.inf)
    cut = np.zeros((steps + 1, length + 1), int)
    best[0, 0] = 0.0
    for step in range(1, steps + 1):
        for end in range(2 * step, length + 1):
            values = best[step - 1, : end - 1] + cost[: end - 1, end]
            cut[step, end] = int(values.argmin())
            best[step, end] = values[cut[step, end]]
    places, end = [], length
    for step in range(steps, 0, -1):
        end = int(cut[step, end])
        places.append(end)
    return places[::-1][1:]


def _costs(encoded: np.ndarray) -> np.ndarray:
    """[T + 1, T + 1]: length times mean deviation of the pictures from a up to b."""
    length = len(encoded)
    ones = np.concatenate((np.zeros((1, encoded.shape[1])), np.cumsum(encoded, 0, np.float64)))
    twos = np.concatenate((np.zeros((1, encoded.shape[1])), np.cumsum(encoded**2, 0, np.float64)))
    cost = np.full((length + 1, length + 1), np.inf)
    for a in range(length - 1):
        n = np.arange(2, length - a + 1)[:, None]
        mean = (ones[a + 2 :] - ones[a]) / n
        variance = np.maximum((twos[a + 2 :] - twos[a]) / n - mean**2, 0.0)
        cost[a, a + 2 :] = n[:, 0] * np.sqrt(variance).mean(1)
    return cost


def _cut(encoded: np.ndarray, steps: int) -> Sequence[np.ndarray]:
    return np.split(encoded, split(encoded, steps))

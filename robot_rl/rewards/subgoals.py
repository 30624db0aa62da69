"""UVD: a demonstration falls into subgoals by itself (Zhang et al. 2024, arXiv:2310.08581)."""

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.rewards.encoders.base import FrameEncoder, digest
from robot_rl.rewards.encoders.registry import make_encoder
from robot_rl.rewards.goal_picture import demonstrated, distances
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.types import Interface

_SMOOTH = 0.08  # gamma of the RBF kernel, per frame squared
_REACHED = 0.3  # of the way from one subgoal to the next, when it counts as reached


class Subgoals(RewardModel):
    """Progress is how many subgoals of a demonstration were reached, and how near the next one is.

    `demos` is a folder of successes; the one that is most like the others is followed. Subgoals
    are never taken back within an episode. `least_steps` lie between two of them.
    """

    sees = "past"

    def __init__(
        self,
        interface: Interface,
        demos: str,
        encoder: str = "effnet_lite0_map",
        least_steps: int = 5,
        camera: str = "",
    ) -> None:
        self._key = camera_key(interface, camera)
        self._encoder: FrameEncoder = make_encoder(encoder)
        self._encode = self._encoder.remembered
        shown = typical([self._encode(frames) for frames in demonstrated(demos, self._key)])
        places = [0, *decompose(shown, least_steps)]
        self._subgoals = shown[places]
        self._way = np.maximum(np.linalg.norm(np.diff(self._subgoals, axis=0), axis=1), 1e-6)
        marked = digest(self._subgoals).hex()
        self._identity = f"subgoals/{self._key}/{self._encoder.identity}/{marked}"

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def count(self) -> int:
        return len(self._way)

    def score(self, clip: Clip, task: str) -> Scores:
        away = distances(self._encode(frames_of(clip, self._key)), self._subgoals[1:])
        left = np.clip(away / self._way, 0.0, 1.0)
        progress, reached = np.zeros(len(left)), 0
        for t, far in enumerate(left):
            while reached < self.count - 1 and far[reached] < _REACHED:
                reached += 1
            progress[t] = (reached + 1.0 - far[reached]) / self.count
        return Scores.of_progress(progress)


def decompose(encoded: np.ndarray, least_steps: int) -> list[int]:
    """Places of the subgoals in a demonstration [T, D], first to last; its end is the last.

    From the end backwards: the distance to the goal falls until the subgoal before it was left,
    so its latest local maximum is that subgoal (Algorithm 1). Raises `ConfigError` for a
    demonstration without steps.
    """
    if len(encoded) < 2:
        raise ConfigError("a demonstration of one picture has no subgoals. Record a whole one.")
    goals = [len(encoded) - 1]
    while goals[-1] > least_steps:
        goal = goals[-1]
        curve = _smoothed(np.linalg.norm(encoded[: goal + 1] - encoded[goal], axis=1))
        peaks = np.flatnonzero((curve[1:-1] > curve[:-2]) & (curve[1:-1] > curve[2:])) + 1
        before = [int(p) for p in peaks if goal - p > least_steps and p > least_steps]
        if not before:
            break
        goals.append(before[-1])
    return goals[::-1]


def typical(encoded: list[np.ndarray]) -> np.ndarray:
    """The episode whose last picture is nearest to those of all."""
    ends = np.stack([episode[-1] for episode in encoded])
    return encoded[int(distances(ends, ends).sum(1).argmin())]


def _smoothed(curve: np.ndarray) -> np.ndarray:
    """Nadaraya-Watson regression with an RBF kernel over time."""
    time = np.arange(len(curve))
    weight = np.exp(-_SMOOTH * (time[:, None] - time[None]) ** 2)
    return weight @ curve / weight.sum(1)

"""What no reward model may be worse than."""

import numpy as np

from robot_rl.rewards.cache import content_key
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.types import Interface


class RandomScores(RewardModel):
    """Scores drawn at random from each frame's own bytes: the floor of every comparison."""

    def __init__(self, interface: Interface, camera: str = "", seed: int = 0) -> None:
        self._key, self._seed = camera_key(interface, camera), seed

    @property
    def identity(self) -> str:
        return f"random/{self._key}/{self._seed}"

    def score(self, clip: Clip, task: str) -> Scores:
        said = [self._drawn(frame, task) for frame in frames_of(clip, self._key)]
        return Scores.of_progress(np.array(said))

    def _drawn(self, frame: np.ndarray, task: str) -> float:
        key = int.from_bytes(content_key(frame, task))
        return float(np.random.default_rng([self._seed, key]).random())

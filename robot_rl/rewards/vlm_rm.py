"""VLM-RM: how near a picture is to a sentence (Rocamonde et al. 2024, arXiv:2310.12921)."""

from collections.abc import Sequence

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.rewards.encoders.base import ImageTextEncoder, unit
from robot_rl.rewards.encoders.registry import make_image_text_encoder
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.rewards.sentences import baseline_of, near_misses
from robot_rl.types import Interface

# CLIP's own, where an encoder does not tell the temperature that it was trained with.
_TEMPERATURE = 0.01


class VlmRm(RewardModel):
    """R(s) = 1 - 1/2 |alpha proj_L s + (1 - alpha) s - g|^2, L the line from baseline b to goal g.

    `alpha` 0 is the cosine with the goal alone. Success is the softmax of the goal over the
    baseline and `negatives`, sentences that are not wanted (Baumli et al. 2023, arXiv:2312.09187):
    with near misses among them it is seldom said where it is not. `baseline` is what the picture
    shows before anything is done; a task of the arm suite has its own, and its own near misses.

    Raises `ConfigError` where two sentences are the same to the encoder.
    """

    reads = True

    def __init__(
        self,
        interface: Interface,
        encoder: str,
        baseline: str = "",
        negatives: Sequence[str] | None = None,
        alpha: float = 0.5,
        camera: str = "",
    ) -> None:
        if not 0.0 <= alpha <= 1.0:
            raise ConfigError(f"task.reward_model.settings.alpha is {alpha}; it lies in [0, 1].")
        self._key, self._alpha = camera_key(interface, camera), alpha
        near = near_misses(interface.task) if negatives is None else negatives
        self._others = (baseline_of(interface.task, baseline), *near)
        self._encoder: ImageTextEncoder = make_image_text_encoder(encoder)
        self._encode = self._encoder.remembered
        self._temperature = getattr(self._encoder, "temperature", _TEMPERATURE)
        self._sentences: dict[str, np.ndarray] = {}

    @property
    def identity(self) -> str:
        return f"vlm_rm/{self._key}/{self._encoder.identity}/{self._alpha}/{'|'.join(self._others)}"

    def score(self, clip: Clip, task: str) -> Scores:
        said = self._said(task)
        goal, baseline = said[0], said[1]
        pictures = unit(self._encode(frames_of(clip, self._key)))
        cosines = pictures @ said.T / self._temperature
        chances = np.exp(cosines - cosines.max(1, keepdims=True))
        way = goal - baseline
        progress = (pictures - baseline) @ way / (way @ way)
        return Scores(
            goal_baseline_reward(pictures, goal, baseline, self._alpha),
            np.clip(progress, 0.0, 1.0).astype(np.float32),
            (chances[:, 0] / chances.sum(1)).astype(np.float32),
        )

    def _said(self, task: str) -> np.ndarray:
        """[2 + negatives, D]: the goal, the baseline, and what else is not wanted."""
        if task not in self._sentences:
            said = self._encoder.encode_text((task, *self._others))
            if np.linalg.norm(said[0] - said[1]) < 1e-4:
                raise ConfigError(
                    f"'{task}' and '{self._others[0]}' are the same to {self._encoder.identity}: "
                    "no picture is nearer to one of them. Say them otherwise."
                )
            self._sentences[task] = said
        return self._sentences[task]


def goal_baseline_reward(
    states: np.ndarray, goal: np.ndarray, baseline: np.ndarray, alpha: float
) -> np.ndarray:
    """Definition 1 of the paper: float32 [T] of unit vectors `states` [T, D]."""
    way = (goal - baseline) / np.linalg.norm(goal - baseline)
    along = np.outer((states - goal) @ way, way)
    off = alpha * along + (1.0 - alpha) * (states - goal)
    return (1.0 - 0.5 * (off**2).sum(1)).astype(np.float32)

"""The distance to pictures of the goal, and to subgoals on the way (UVD, Zhang et al. 2024)."""

from pathlib import Path

import cv2
import numpy as np

from robot_rl.episodes.folder import EpisodesFolder
from robot_rl.errors import ConfigError
from robot_rl.rewards.encoders.base import FrameEncoder, digest
from robot_rl.rewards.encoders.registry import make_encoder
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.rewards.told import ended_well, until_done
from robot_rl.types import Interface

_SMALL = 1e-6


class GoalPicture(RewardModel):
    """Progress is 1 - d(o_t, g) / d_0, d_0 the mean distance of an episode's first picture to g.

    `goal` is a picture's file, or a folder of episodes that succeeded: of the last picture of
    each the nearest counts. `d_0` is the distance of the first pictures of such a folder; of an
    episode's own first picture where there is none. Pays progress.
    """

    sees = "past"

    def __init__(
        self, interface: Interface, goal: str, encoder: str = "effnet_lite0_map", camera: str = ""
    ) -> None:
        self._key = camera_key(interface, camera)
        self._encoder: FrameEncoder = make_encoder(encoder)
        self._encode = self._encoder.remembered
        last, first = goal_frames(goal, self._key)
        self._goals = self._encode(last)
        self._far = float(self._away(self._encode(first)).mean()) if len(first) else None
        marked = digest(self._goals).hex()
        self._identity = f"goal_picture/{self._key}/{self._encoder.identity}/{marked}"

    @property
    def identity(self) -> str:
        return self._identity

    def score(self, clip: Clip, task: str) -> Scores:
        away = self._away(self._encode(frames_of(clip, self._key)))
        far = away[0] if self._far is None else self._far
        return Scores.of_progress(1.0 - away / max(far, _SMALL))

    def _away(self, encoded: np.ndarray) -> np.ndarray:
        """[T]: to the nearest goal."""
        return distances(encoded, self._goals).min(1)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[N, M]: of each of `a` [N, D] to each of `b` [M, D]."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2.0 * a @ b.T
    return np.sqrt(np.maximum(squares, 0.0))


def goal_frames(goal: str, camera: str) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, H, W, 3]: the goal, and what an episode begins with where that is known.

    Raises `ConfigError` where `goal` is no picture, or shows no success.
    """
    if Path(goal).is_dir():
        return _ends(demonstrated(goal, camera))
    picture = cv2.imread(goal, cv2.IMREAD_COLOR)
    if picture is None:
        raise ConfigError(
            f"{goal} is neither a picture nor a folder of episodes. Give a PNG or a JPEG, or what "
            "`robot-rl collect` wrote."
        )
    rgb = np.ascontiguousarray(picture[..., ::-1])[None]
    return rgb, rgb[:0]


def demonstrated(folder: str, camera: str) -> list[np.ndarray]:
    """Frames uint8 [T, H, W, 3] of each episode in `folder`, up to where it was done.

    Where some are known to have succeeded, of these alone. Raises `ConfigError` without any.
    """
    found = [e for e in EpisodesFolder(Path(folder)).episodes() if len(e.obs) > 1]
    episodes = [e for e in found if ended_well(e)] or found
    if not episodes:
        raise ConfigError(f"{folder} holds no episode to learn from. Record some: robot-rl collect")
    if camera not in episodes[0].obs[0]:
        raise ConfigError(
            f"the episodes in {folder} were not seen through {camera}, but through "
            f"{', '.join(episodes[0].obs[0])}."
        )
    return [np.stack([obs[camera] for obs in e.obs[: until_done(e)]]) for e in episodes]


def _ends(episodes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([e[-1] for e in episodes]), np.stack([e[0] for e in episodes])

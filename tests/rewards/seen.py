"""Tiny episodes for reward models: a bright square that climbs a dark picture, or does not."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from robot_rl.episodes.folder import StoredEpisode, create, write_episode
from robot_rl.replay.storage import Step
from robot_rl.rewards.model import Clip, clip_of
from tests.conftest import make_interface

SIZE, STEPS = 32, 12
INTERFACE = make_interface(cameras=1, size=SIZE, proprio=0)
CAMERA = "image/cam0"


def picture(height: float, left: int = 10, noise: int = 0, seed: int = 0) -> np.ndarray:
    """uint8 [32, 32, 3]: the square at `height` in [0, 1]."""
    image = np.random.default_rng(seed).integers(0, noise + 1, (SIZE, SIZE, 3)).astype(np.uint8)
    top = round((1.0 - height) * (SIZE - 8))
    image[top : top + 8, left : left + 8] = 230
    return image


def climb(reaches: float = 1.0, left: int = 10, name: str = "0") -> StoredEpisode:
    """Up to `reaches` in 12 steps, each paid by its height; the last ends the episode."""
    heights = np.linspace(0.0, reaches, STEPS + 1)
    obs = [{CAMERA: picture(h, left)} for h in heights]
    steps = [
        Step(np.zeros(2, np.float32), float(h), t == STEPS - 1 and reaches == 1.0, t == STEPS - 1)
        for t, h in enumerate(heights[1:])
    ]
    return StoredEpisode(name, obs, steps)


def clip(reaches: float = 1.0, left: int = 10) -> Clip:
    return clip_of(climb(reaches, left).obs)


def record(folder: Path, episodes: Iterable[StoredEpisode]) -> Path:
    journal = create(folder, INTERFACE)
    for episode in episodes:
        write_episode(journal, episode)
    journal.close()
    return folder

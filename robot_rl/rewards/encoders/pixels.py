"""Pixels as they are: the baseline that a learned encoder has to beat."""

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.rewards.encoders.base import FrameEncoder, resized

_SIZE = 32


class Pixels(FrameEncoder):
    """[T, 3 x size x size] in [0, 1]; `size` is 32 where none is given."""

    def __init__(self, size: str = "") -> None:
        if size and not (size.isdigit() and int(size)):
            raise ConfigError(f"pixels:{size} is no size; pixels:32 is a picture of 32x32.")
        self._size = int(size or _SIZE)

    @property
    def identity(self) -> str:
        return f"pixels:{self._size}"

    def encode(self, frames: np.ndarray) -> np.ndarray:
        small = resized(frames, self._size)
        return small.reshape(len(frames), -1).astype(np.float32) / 255.0

"""Sensor noise that costs a camera no time."""

from functools import cache

import cv2
import numpy as np


@cache
def _normal(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(count, np.float32)


class Grain:
    """Gaussian noise of `std` grey levels: a stretch of fixed noise, begun anywhere in it."""

    def __init__(self, std: float, frame_size: int) -> None:
        self._noise = np.rint(std * _normal(4 * frame_size)).astype(np.int16)

    def on(self, frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 [H, W, 3], clipped to what a picture holds."""
        start = rng.integers(self._noise.size - frame.size)
        noise = self._noise[start : start + frame.size].reshape(frame.shape)
        return cv2.add(np.ascontiguousarray(frame), noise, dtype=cv2.CV_8U)

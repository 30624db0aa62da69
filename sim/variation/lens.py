"""Radial lens distortion of a rendered frame."""

import cv2
import numpy as np


class Lens:
    """A pixel at r looks where the straight picture has r (1 + k r^2), r = 1 in its corner."""

    def __init__(self, k: float, height: int, width: int) -> None:
        x = np.linspace(-1.0, 1.0, width)[None, :] * width
        y = np.linspace(-1.0, 1.0, height)[:, None] * height
        corner = np.hypot(width, height)
        scale = 1.0 + k * (np.square(x) + np.square(y)) / corner**2
        columns = ((x * scale / width + 1.0) * (width - 1) / 2).astype(np.float32)
        rows = ((y * scale / height + 1.0) * (height - 1) / 2).astype(np.float32)
        # Fixed-point maps: several times as fast as floating ones.
        self._whole, self._rest = cv2.convertMaps(columns, rows, cv2.CV_16SC2)

    def bend(self, frame: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3]; beyond the border its last pixel goes on."""
        straight = np.ascontiguousarray(frame)
        border = cv2.BORDER_REPLICATE
        return cv2.remap(straight, self._whole, self._rest, cv2.INTER_LINEAR, borderMode=border)

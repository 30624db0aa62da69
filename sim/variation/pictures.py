"""Pictures of what varies, and of a simulated camera laid over a real one."""

import cv2
import numpy as np

_EDGE_RGB = (0, 255, 0)
_CANNY = (60, 150)
_GAP = 2


def grid(pictures: list[np.ndarray], columns: int) -> np.ndarray:
    """uint8 pictures [H, W, 3] of one size in rows of `columns`, a thin line between them."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    size = rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3
    out = np.full(size, 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = (i // columns) * (height + _GAP), (i % columns) * (width + _GAP)
        out[top : top + height, left : left + width] = picture
    return out


def overlay(real: np.ndarray, simulated: np.ndarray, share: float) -> np.ndarray:
    """Real, simulated, and the real one with `share` of the simulated and its edges on it.

    All uint8 [H, W, 3] of one size. Where the camera is right the edges lie on the real ones.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(simulated), cv2.COLOR_RGB2GRAY)
    edges = cv2.Canny(grey, *_CANNY) > 0
    mixed = (share * simulated + (1.0 - share) * real).astype(np.uint8)
    mixed[edges] = _EDGE_RGB
    return grid([real, simulated, mixed], columns=3)


def write_png(path: str, picture: np.ndarray) -> None:
    cv2.imwrite(path, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

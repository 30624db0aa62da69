"""The lens: focal lengths, middle and distortion, from pictures of a board (Zhang 2000)."""

from collections.abc import Sequence

import cv2
import numpy as np

from hardware.calibration.board import Seen
from robot_rl.envs.calibration import CameraCalibration
from robot_rl.errors import ConfigError

_LEAST_PICTURES = 6
_DOUBT = 0.02  # standard deviation of the focal length, as a share of it
_OUTLIER = 3.0  # times the median error of a picture


def calibrate_lens(seen: Sequence[Seen], height: int, width: int) -> CameraCalibration:
    """Pictures whose error is far above the others' are left out. Raises `ConfigError` where too
    few are left."""
    kept = list(seen)
    if any(not np.isfinite(s.in_picture_px).all() for s in kept):
        raise ConfigError("some corners are no numbers (NaN).")
    while True:
        if len(kept) < _LEAST_PICTURES:
            raise ConfigError(
                f"the board is seen well in {len(kept)} pictures, and {_LEAST_PICTURES} are needed:"
                " near and far, tilted every way, out to the corners."
            )
        error, matrix, distortion, doubt, errors = _solve(kept, height, width)
        better = [s for s, e in zip(kept, errors, strict=True) if e <= _OUTLIER * np.median(errors)]
        if len(better) == len(kept):
            break
        kept = better
    if doubt > _DOUBT:
        raise ConfigError(
            f"from these pictures the focal length is known to {100 * doubt:.0f} % alone: tilt the "
            "board by 30 degrees and more, every way."
        )
    return CameraCalibration(
        width=width,
        height=height,
        fx=float(matrix[0, 0]),
        fy=float(matrix[1, 1]),
        cx=float(matrix[0, 2]),
        cy=float(matrix[1, 2]),
        distortion=tuple(np.ravel(distortion)[:5].tolist()),
        lens_error_px=error,
        pictures=len(kept),
    )


def _solve(
    seen: Sequence[Seen], height: int, width: int
) -> tuple[float, np.ndarray, np.ndarray, float, np.ndarray]:
    """Error in px, matrix, distortion, how far the focal length is in doubt, error by picture."""
    found = cv2.calibrateCameraExtended(
        [s.on_board_m.astype(np.float32) for s in seen],
        [s.in_picture_px.astype(np.float32) for s in seen],
        (width, height),
        np.eye(3),
        np.zeros(5),
    )
    doubt = float(np.max(np.ravel(found[5])[:2] / np.diag(found[1])[:2]))
    return found[0], found[1], found[2], doubt, np.ravel(found[-1])


def matrix_of(camera: CameraCalibration) -> np.ndarray:
    """[3, 3] of OpenCV."""
    return np.array(
        [[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]], float
    )

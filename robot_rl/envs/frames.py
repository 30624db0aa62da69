"""A camera's frame as a policy receives it, the same in simulation, on a robot and out of a bag."""

import cv2
import numpy as np

from robot_rl.errors import InterfaceMismatchError
from robot_rl.types import CameraField


def fit(frame: np.ndarray, field: CameraField) -> np.ndarray:
    """uint8 [H, W, 3] of `field`, cut out of `frame` where it has a crop.

    Raises `InterfaceMismatchError` for a frame of another size than that it is made of.
    """
    if frame.shape[:2] != field.source_size:
        raise InterfaceMismatchError(_refusal(frame.shape[0], frame.shape[1], field))
    return cut(frame, field.crop, field.height, field.width) if field.crop else frame


def cut(frame: np.ndarray, crop: tuple[int, ...], height: int, width: int) -> np.ndarray:
    """`crop` (top, left, height, width) of `frame` [H, W, 3], all of it if empty, resized."""
    if crop:
        top, left, rows, columns = crop
        frame = frame[top : top + rows, left : left + columns]
    if frame.shape[:2] == (height, width):
        return frame
    # cv2 refuses the negative strides of a flipped frame.
    frame = np.ascontiguousarray(frame)
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)


def _refusal(height: int, width: int, field: CameraField) -> str:
    wanted = "{}x{}".format(*field.source_size)
    use = f", of which it cuts {field.crop}" if field.crop else ""
    return (
        f"camera '{field.name}' sends {height}x{width} (height x width); the policy takes "
        f"{wanted}{use}. Crop and resize at the camera to {wanted}: the settings height, width "
        "and crop of its node or of the robot."
    )

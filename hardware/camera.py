"""What every camera offers, real or simulated."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from robot_rl.errors import HardwareError
from robot_rl.types import CameraField


@dataclass(frozen=True, kw_only=True)
class Frame:
    """uint8 RGB [H, W, 3] and the system time of its exposure."""

    image: np.ndarray
    stamp_s: float


@dataclass(frozen=True, kw_only=True)
class CameraFeatures:
    name: str
    height: int
    width: int
    rate_hz: float
    frame_id: str = "camera_color_optical_frame"
    fovy_deg: float = 45.0


class Camera(Protocol):
    """One camera that runs by itself and is read from one thread."""

    @property
    def features(self) -> CameraFeatures: ...
    def connect(self) -> None: ...
    def read(self, timeout_s: float) -> Frame:
        """The next frame. Raises `HardwareError` when none comes in time."""
        ...

    def disconnect(self) -> None: ...


class CroppedCamera:
    """A camera seen as a policy wants it: cropped (top, left, height, width), then resized."""

    def __init__(self, camera: Camera, field: CameraField) -> None:
        self._camera = camera
        self._field = field

    @property
    def features(self) -> CameraFeatures:
        inner = self._camera.features
        return CameraFeatures(
            name=self._field.name,
            height=self._field.height,
            width=self._field.width,
            rate_hz=inner.rate_hz,
            frame_id=inner.frame_id,
            fovy_deg=inner.fovy_deg,
        )

    def connect(self) -> None:
        self._camera.connect()

    def read(self, timeout_s: float) -> Frame:
        frame = self._camera.read(timeout_s)
        image = fit(frame.image, self._field.crop, self._field.height, self._field.width)
        return Frame(image=image, stamp_s=frame.stamp_s)

    def disconnect(self) -> None:
        self._camera.disconnect()


def fit(image: np.ndarray, crop: tuple[int, ...], height: int, width: int) -> np.ndarray:
    """`image` [H, W, 3] cropped and resized. Raises `HardwareError` where the crop lies outside."""
    if crop:
        top, left, rows, columns = crop
        if top + rows > image.shape[0] or left + columns > image.shape[1]:
            raise HardwareError(
                f"crop {crop} (top, left, height, width) does not lie inside the camera's "
                f"{image.shape[0]}x{image.shape[1]} frame."
            )
        image = image[top : top + rows, left : left + columns]
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)

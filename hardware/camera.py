"""What every camera offers, real or simulated."""

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot_rl.envs.frames import cut
from robot_rl.types import require_inside


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
    """A camera of `height` x `width`: its frames cut (top, left, height, width), then resized."""

    def __init__(
        self, camera: Camera, name: str, height: int, width: int, crop: tuple[int, ...] = ()
    ) -> None:
        self._camera = camera
        self._name, self._height, self._width, self._crop = name, height, width, crop

    @property
    def features(self) -> CameraFeatures:
        return dataclasses.replace(
            self._camera.features, name=self._name, height=self._height, width=self._width
        )

    def connect(self) -> None:
        self._camera.connect()

    def read(self, timeout_s: float) -> Frame:
        """Raises `ConfigError` where the crop lies outside the camera's frame."""
        frame = self._camera.read(timeout_s)
        if self._crop:
            height, width, _ = frame.image.shape
            require_inside(self._crop, height, width, self._name)
        image = cut(frame.image, self._crop, self._height, self._width)
        return Frame(image=image, stamp_s=frame.stamp_s)

    def disconnect(self) -> None:
        self._camera.disconnect()

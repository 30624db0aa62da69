"""A camera that OpenCV opens: a USB device, a network stream or a video file."""

import time

import cv2

from hardware.camera import CameraFeatures, Frame
from robot_rl.errors import HardwareError


class OpenCVCamera:
    """`source` is a device number (`0`), a stream address or a file."""

    def __init__(
        self,
        source: str | int,
        name: str = "camera",
        height: int = 480,
        width: int = 640,
        rate_hz: float = 30.0,
    ) -> None:
        self._source = str(source)
        self._name = name
        self._wanted = (height, width, rate_hz)
        self._capture: cv2.VideoCapture | None = None

    @property
    def features(self) -> CameraFeatures:
        height, width, rate_hz = self._wanted
        return CameraFeatures(name=self._name, height=height, width=width, rate_hz=rate_hz)

    def connect(self) -> None:
        """Raises `HardwareError` where nothing can be opened. A device takes its nearest mode."""
        source = int(self._source) if self._source.isdigit() else self._source
        capture = cv2.VideoCapture(source)
        if not capture.isOpened():
            raise HardwareError(
                f"camera '{self._source}' cannot be opened. Is it plugged in, free, and is this "
                "user in the group 'video'?"
            )
        height, width, rate_hz = self._wanted
        for key, value in (
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FPS, rate_hz),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            capture.set(key, value)
        self._wanted = (
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            capture.get(cv2.CAP_PROP_FPS) or rate_hz,
        )
        self._capture = capture

    def read(self, timeout_s: float) -> Frame:
        """OpenCV hands over no exposure time: the stamp is when the frame was grabbed."""
        if self._capture is None:
            raise HardwareError(f"camera '{self._source}' is not connected.")
        if not self._capture.grab():
            raise HardwareError(f"camera '{self._source}' gave no frame: unplugged, or at its end.")
        stamp_s = time.time()
        taken, image = self._capture.retrieve()
        if not taken:
            raise HardwareError(f"camera '{self._source}' gave a frame that cannot be decoded.")
        return Frame(image=cv2.cvtColor(image, cv2.COLOR_BGR2RGB), stamp_s=stamp_s)

    def disconnect(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

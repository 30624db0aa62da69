"""A camera read on a thread of its own, so that the newest frame is always at hand."""

import threading

from hardware.camera import Camera, Frame
from robot_rl.errors import HardwareError, RobotRLError

_READ_TIMEOUT_S = 1.0


class CameraReader:
    """Keeps the newest frame of `camera`; older ones are dropped."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.error: RobotRLError | None = None
        self._newest: Frame | None = None
        self._arrived = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def start(self) -> None:
        self.camera.connect()
        self._thread.start()

    def after(self, stamp_s: float, timeout_s: float) -> Frame:
        """The first frame exposed later than `stamp_s`. Raises `HardwareError` without one."""
        with self._arrived:
            came = self._arrived.wait_for(lambda: self._later(stamp_s) or self.error, timeout_s)
        if self.error is not None:
            raise self.error
        if not came or self._newest is None:
            name = self.camera.features.name
            raise HardwareError(
                f"camera '{name}' gave no new frame within {timeout_s:.2f} s. Is it plugged in?"
            )
        return self._newest

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * _READ_TIMEOUT_S)
        self.camera.disconnect()

    def _later(self, stamp_s: float) -> bool:
        return self._newest is not None and self._newest.stamp_s > stamp_s

    def _read(self) -> None:
        while not self._closing.is_set():
            try:
                frame = self.camera.read(_READ_TIMEOUT_S)
            except RobotRLError as error:
                self._take(None, error)
                return
            self._take(frame, None)

    def _take(self, frame: Frame | None, error: RobotRLError | None) -> None:
        with self._arrived:
            self._newest, self.error = frame or self._newest, error
            self._arrived.notify_all()

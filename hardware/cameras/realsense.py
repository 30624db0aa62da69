"""Intel's RealSense cameras over `pyrealsense2`: the colour stream, by serial number."""

import time
from typing import Any

import numpy as np

from hardware.camera import CameraFeatures, Frame
from robot_rl.errors import HardwareError, MissingPackageError


class RealSenseCamera:
    """`serial` empty takes the only one. Exposure and white balance stay the camera's unless
    `exposure_us` or `white_balance_k` fix them, which a policy that was trained so wants."""

    def __init__(
        self,
        serial: str = "",
        name: str = "camera",
        height: int = 480,
        width: int = 640,
        rate_hz: int = 30,
        exposure_us: float = 0.0,
        white_balance_k: float = 0.0,
    ) -> None:
        self._serial, self._name = serial, name
        self._wanted = (height, width, rate_hz)
        self._exposure_us, self._white_balance_k = exposure_us, white_balance_k
        self._pipeline: Any = None

    @property
    def features(self) -> CameraFeatures:
        height, width, rate_hz = self._wanted
        return CameraFeatures(name=self._name, height=height, width=width, rate_hz=float(rate_hz))

    def connect(self) -> None:
        """Raises `HardwareError` where it is not there, or has no such stream."""
        rs = _package()
        height, width, rate_hz = self._wanted
        config, pipeline = rs.config(), rs.pipeline()
        found = [d.get_info(rs.camera_info.serial_number) for d in rs.context().devices]
        if not found or (self._serial and self._serial not in found):
            # The package would wait for a quarter of a minute.
            raise HardwareError(
                f"the RealSense '{self._serial or 'any'}' is not there. Plugged in here: "
                f"{', '.join(found) or 'none'}."
            )
        if self._serial:
            config.enable_device(self._serial)
        config.enable_stream(rs.stream.color, width, height, rs.format.rgb8, rate_hz)
        try:
            profile = pipeline.start(config)
        except RuntimeError as error:
            raise HardwareError(
                f"the RealSense '{self._serial or found[0]}' does not send {width}x{height} at "
                f"{rate_hz} Hz ({error}). On a cable of USB 2 it has fewer modes."
            ) from error
        self._pipeline = pipeline
        try:
            self._settle(rs, profile.get_device())
        except RuntimeError as error:
            self.disconnect()
            raise HardwareError(
                f"the RealSense '{self._serial or found[0]}' does not take exposure_us="
                f"{self._exposure_us:g}, white_balance_k={self._white_balance_k:g} ({error})."
            ) from error

    def read(self, timeout_s: float) -> Frame:
        """Raises `HardwareError` when none comes in time."""
        if self._pipeline is None:
            raise HardwareError(f"the RealSense '{self._name}' is not connected.")
        try:
            frame = self._pipeline.wait_for_frames(int(1000 * timeout_s)).get_color_frame()
            return to_frame(frame)
        except RuntimeError as error:
            raise HardwareError(
                f"the RealSense '{self._name}' gave no frame within {timeout_s:g} s: {error}."
            ) from error

    def disconnect(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()
            self._pipeline = None

    def _settle(self, rs: Any, device: Any) -> None:
        """What is asked to be fixed, and what follows by itself. Some have no sensor for colour
        alone: they are asked only where something is fixed."""
        if not (self._exposure_us or self._white_balance_k):
            return
        sensor = device.first_color_sensor()
        for value, option, automatic in (
            (self._exposure_us, rs.option.exposure, rs.option.enable_auto_exposure),
            (self._white_balance_k, rs.option.white_balance, rs.option.enable_auto_white_balance),
        ):
            if sensor.supports(automatic):
                sensor.set_option(automatic, float(not value))
            if value:
                sensor.set_option(option, value)


def to_frame(frame: Any) -> Frame:
    """A copy of a colour frame, with the system time of its exposure; a camera that counts by a
    clock of its own has that at which it came."""
    own = "hardware" in str(frame.get_frame_timestamp_domain())
    stamp_s = time.time() if own else frame.get_timestamp() / 1000.0
    return Frame(image=np.array(frame.get_data(), np.uint8), stamp_s=stamp_s)


def _package() -> Any:
    try:
        import pyrealsense2
    except ImportError as error:
        remedy = "pip install 'robot-rl[realsense]', and its library: apt-get install libusb-1.0-0"
        raise MissingPackageError("pyrealsense2", remedy) from error
    return pyrealsense2

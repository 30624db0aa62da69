"""Cameras as data: size, rate, pose, latency, noise, crop. The same numbers describe real ones."""

import dataclasses
from dataclasses import dataclass

from robot_rl.errors import ConfigError
from robot_rl.types import CameraField, require_inside


@dataclass(frozen=True, kw_only=True)
class CameraSpec:
    """One camera of a task.

    `height` and `width` 0 take the task's `image_size`, and `name` its key in `task.cameras`.
    `pos` (m) and `quat` (w, x, y, z) move a named camera of the model; empty keeps its pose.
    `calibration` names a file of `robot-rl calibrate` in their place, and in that of `fovy_deg`.
    `rate_hz` 0 means every control step. A frame is handed out once it is `delay_s` old, the
    delay being drawn per episode from [`delay_low_s`, `delay_high_s`] and rounded up to control
    steps. `noise_std` is in grey levels. `crop` is (top, left, height, width) in pixels of a frame
    of `source_height` x `source_width` (0: `height` and `width`), and is resized to `height` x
    `width`; all of that frame is the field of view.
    """

    name: str = ""
    height: int = 0
    width: int = 0
    rate_hz: float = 0.0
    pos: tuple[float, ...] = ()
    quat: tuple[float, ...] = ()
    fovy_deg: float = 0.0
    calibration: str = ""
    delay_low_s: float = 0.0
    delay_high_s: float = 0.0
    noise_std: float = 0.0
    crop: tuple[int, ...] = ()
    source_height: int = 0
    source_width: int = 0

    def __post_init__(self) -> None:
        where = f"camera '{self.name}'"
        if not all(size == 0 or size >= 16 for size in (self.height, self.width)):
            raise ConfigError(f"{where}: {self.height}x{self.width} is below 16x16 pixels.")
        if not 0 <= self.delay_low_s <= self.delay_high_s:
            raise ConfigError(f"{where}: needs 0 <= delay_low_s <= delay_high_s.")
        if len(self.pos) not in (0, 3) or len(self.quat) not in (0, 4):
            raise ConfigError(f"{where}: pos has 3 numbers and quat 4, or they are empty.")
        if self.calibration and (self.pos or self.quat or self.fovy_deg):
            raise ConfigError(
                f"{where}: its calibration says where it is and how wide it sees; leave out pos, "
                "quat and fovy_deg."
            )
        if (self.source_height or self.source_width) and not self.crop:
            raise ConfigError(f"{where}: source_height and source_width are those of a crop.")
        source_height, source_width = self.source_size
        if self.crop and source_height and source_width:
            require_inside(self.crop, source_height, source_width, self.name)

    @property
    def source_size(self) -> tuple[int, int]:
        """(height, width) of the frame that is taken, before any crop."""
        return self.source_height or self.height, self.source_width or self.width

    def named(self, name: str, image_size: int, source_size: int = 0) -> "CameraSpec":
        """The same camera with its name, and its size where it had none of its own.

        Where it has no crop either, and they are larger, frames of `source_size` are taken and
        averaged down to it.
        """
        height, width = self.height or image_size, self.width or image_size
        spec = dataclasses.replace(self, name=name, height=height, width=width)
        if source_size <= max(height, width) or self.crop:
            return spec
        crop = (0, 0, source_size, source_size)
        return dataclasses.replace(
            spec, crop=crop, source_height=source_size, source_width=source_size
        )

    def field(self, control_rate_hz: float) -> CameraField:
        source_height, source_width = self.source_size if self.crop else (0, 0)
        return CameraField(
            name=self.name,
            height=self.height,
            width=self.width,
            rate_hz=self.rate_hz or control_rate_hz,
            crop=self.crop,
            source_height=source_height,
            source_width=source_width,
        )

"""What is known of a real camera: its lens, and where it is mounted. One file for driver and
simulation: the driver straightens its pictures, the simulation draws the straight ones from there.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from robot_rl.config.schema import from_tree
from robot_rl.errors import ConfigError, CorruptFileError


@dataclass(frozen=True, kw_only=True)
class CameraCalibration:
    """`fx`, `fy`, `cx`, `cy` in pixels of `width` x `height`; `distortion` (k1, k2, p1, p2, k3) as
    OpenCV has it. `pos_m` and `quat` (w, x, y, z) are the camera's in the base or the tool
    (`mount`), its x to the right of the picture, y down, z ahead.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = (0.0,) * 5
    mount: Literal["none", "base", "tool"] = "none"
    pos_m: tuple[float, ...] = (0.0, 0.0, 0.0)
    quat: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    lens_error_px: float = 0.0
    mount_error_px: float = 0.0
    pictures: int = 0

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.fx, self.fy) <= 0:
            raise ConfigError("a calibration needs a size and focal lengths above 0.")
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion, *self.pos_m, *self.quat)
        if not all(map(math.isfinite, numbers)) or not 0.9 < math.hypot(*self.quat) < 1.1:
            raise ConfigError("a calibration's numbers are finite, and its quat of length 1.")
        if (len(self.distortion), len(self.pos_m), len(self.quat)) != (5, 3, 4):
            raise ConfigError("a calibration has 5 distortion, 3 pos_m and 4 quat numbers.")

    @property
    def fovy_deg(self) -> float:
        """Of the straight picture, whose pixels are square and whose axis is its middle."""
        return math.degrees(2.0 * math.atan(0.5 * self.height / self.fy))

    @property
    def drawn_quat(self) -> tuple[float, float, float, float]:
        """The same for MuJoCo's cameras, whose y is up and which look against their z."""
        w, x, y, z = self.quat  # after half a turn about its own x
        return (-x, w, z, -y)

    def save(self, path: Path) -> None:
        plain = dataclasses.asdict(self)
        tree = {key: list(v) if isinstance(v, tuple) else v for key, v in plain.items()}
        path.write_text(yaml.safe_dump(tree, sort_keys=False))

    @classmethod
    def load(cls, path: Path) -> "CameraCalibration":
        """Raises `CorruptFileError` for a file that is none."""
        try:
            tree = yaml.safe_load(path.read_text())
            return from_tree(cls, tree, "calibration")
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ConfigError, TypeError) as error:
            raise CorruptFileError(
                f"{path} is no calibration of a camera ({error}). `robot-rl calibrate solve` "
                "writes one."
            ) from error

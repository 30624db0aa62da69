"""Cameras as data: size, rate, pose, latency, noise, crop. The same numbers describe real ones."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.types import CameraField


@dataclass(frozen=True, kw_only=True)
class CameraSpec:
    """One camera of a simulated task.

    `pos` (m) and `quat` (w, x, y, z) move a named camera of the model; empty keeps its pose.
    `rate_hz` 0 means every control step. A frame is handed out once it is `delay_s` old, the
    delay being drawn per episode from [`delay_low_s`, `delay_high_s`] and rounded up to control
    steps. `noise_std` is in grey levels. `crop` is (top, left, height, width) in pixels of the
    `height` x `width` frame.
    """

    name: str
    height: int = 64
    width: int = 64
    rate_hz: float = 0.0
    pos: tuple[float, ...] = ()
    quat: tuple[float, ...] = ()
    fovy_deg: float = 0.0
    delay_low_s: float = 0.0
    delay_high_s: float = 0.0
    noise_std: float = 0.0
    crop: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        where = f"camera '{self.name}'"
        if min(self.height, self.width) < 16:
            raise ConfigError(f"{where}: {self.height}x{self.width} is below 16x16 pixels.")
        if not 0 <= self.delay_low_s <= self.delay_high_s:
            raise ConfigError(f"{where}: needs 0 <= delay_low_s <= delay_high_s.")
        if len(self.pos) not in (0, 3) or len(self.quat) not in (0, 4):
            raise ConfigError(f"{where}: pos has 3 numbers and quat 4, or they are empty.")
        if self.crop:
            self._check_crop(where)

    def _check_crop(self, where: str) -> None:
        top, left, height, width = self.crop
        inside = top >= 0 and left >= 0 and height > 0 and width > 0
        if not inside or top + height > self.height or left + width > self.width:
            raise ConfigError(
                f"{where}: crop {self.crop} (top, left, height, width) does not lie inside "
                f"{self.height}x{self.width}."
            )

    def field(self, control_rate_hz: float) -> CameraField:
        height, width = self.crop[2:] if self.crop else (self.height, self.width)
        rate_hz = self.rate_hz or control_rate_hz
        return CameraField(
            name=self.name, height=height, width=width, rate_hz=rate_hz, crop=self.crop
        )


class SimCamera:
    """Delivers the frames that a real camera with this spec would have delivered by now."""

    def __init__(
        self, spec: CameraSpec, control_rate_hz: float, render: Callable[[], np.ndarray]
    ) -> None:
        self._spec = spec
        self._render = render
        self._period_s = 1.0 / (spec.rate_hz or control_rate_hz)
        self._frames: deque[tuple[float, np.ndarray]] = deque()
        self._delay_s = 0.0
        self._plain = not (spec.rate_hz or spec.delay_high_s or spec.noise_std or spec.crop)

    def reset(self, now_s: float, rng: np.random.Generator) -> np.ndarray:
        """First frame of an episode; it is handed out at once, as a running camera would."""
        self._frames.clear()
        self._delay_s = rng.uniform(self._spec.delay_low_s, self._spec.delay_high_s)
        self._frames.append((now_s, self._expose(rng)))
        return self._frames[0][1]

    def read(self, now_s: float, rng: np.random.Generator) -> np.ndarray:
        """uint8 [H, W, 3]: the newest frame that is at least the delay old."""
        if self._plain:
            return self._render()
        tolerance_s = 1e-6
        if now_s - self._frames[-1][0] >= self._period_s - tolerance_s:
            self._frames.append((now_s, self._expose(rng)))
        while len(self._frames) > 1 and self._frames[1][0] + self._delay_s <= now_s + tolerance_s:
            self._frames.popleft()
        return self._frames[0][1]

    def _expose(self, rng: np.random.Generator) -> np.ndarray:
        frame = self._render()
        if self._spec.crop:
            top, left, height, width = self._spec.crop
            frame = frame[top : top + height, left : left + width]
        if self._spec.noise_std:
            noisy = frame + rng.normal(0.0, self._spec.noise_std, frame.shape)
            frame = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        return frame

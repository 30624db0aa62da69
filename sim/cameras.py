"""Simulated cameras that deliver what a real one would have delivered by now."""

from collections import deque
from collections.abc import Callable

import numpy as np

from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.frames import fit


class SimCamera:
    """`render` draws the frame that is taken; crop, rate, delay and noise are added here."""

    def __init__(
        self, spec: CameraSpec, control_rate_hz: float, render: Callable[[], np.ndarray]
    ) -> None:
        self._spec = spec
        self._field = spec.field(control_rate_hz)
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
        frame = fit(self._render(), self._field)
        if self._spec.noise_std:
            noisy = frame + rng.normal(0.0, self._spec.noise_std, frame.shape)
            frame = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        return frame

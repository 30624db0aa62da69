"""Simulated cameras that deliver what a real one would have delivered by now."""

from collections import deque
from collections.abc import Callable

import numpy as np

from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.frames import fit
from sim.grain import Grain


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
        self._grain: Grain | None = None
        self._plain = True

    def reset(
        self,
        now_s: float,
        rng: np.random.Generator,
        more_delay_s: float = 0.0,
        more_noise_std: float = 0.0,
    ) -> np.ndarray:
        """First frame of an episode; it is handed out at once, as a running camera would."""
        spec = self._spec
        self._frames.clear()
        self._delay_s = more_delay_s + rng.uniform(spec.delay_low_s, spec.delay_high_s)
        noise_std = float(np.hypot(spec.noise_std, more_noise_std))
        self._grain = Grain(noise_std, 3 * spec.height * spec.width) if noise_std else None
        self._plain = not (spec.rate_hz or self._delay_s or noise_std or spec.crop)
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
        return frame if self._grain is None else self._grain.on(frame, rng)

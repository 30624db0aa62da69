"""Commands that arrive late and not quite as they were sent."""

from collections import deque

import numpy as np

from sim.variation.draw import Draw


class Commands:
    """Between the action that was sent and the one that acts. A late one finds the arm at rest."""

    def __init__(self, action_size: int, control_rate_hz: float) -> None:
        self._size, self._rate_hz = action_size, control_rate_hz
        self._under_way: deque[np.ndarray] = deque()
        self._noise_std = 0.0
        self._rng = np.random.default_rng(0)

    def begin(self, draw: Draw) -> None:
        late = round(draw.scalars.get("action_delay_s", 0.0) * self._rate_hz)
        self._under_way = deque(np.zeros(self._size, np.float32) for _ in range(late))
        self._noise_std = draw.scalars.get("action_noise", 0.0)
        self._rng = draw.generator("action_noise")

    def arrive(self, action: np.ndarray) -> np.ndarray:
        """What acts now, in [-1, 1]; `action` [A] was sent."""
        self._under_way.append(action)
        now = self._under_way.popleft()
        if not self._noise_std:
            return now
        noisy = now + self._rng.normal(0.0, self._noise_std, self._size)
        return np.clip(noisy, -1.0, 1.0).astype(np.float32)

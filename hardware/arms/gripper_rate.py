"""A gripper that is told places, moved by rates."""

import threading
import time
from collections.abc import Callable

_LEAST_M = 0.0005  # is worth a message


class GripperByRate:
    """`move` tells a gripper that opens `width_m` from the middle where to be, in m.

    It has no measurement of its own: `opening_m` is what it was told last.
    """

    def __init__(self, width_m: float, move: Callable[[float], None]) -> None:
        self._width_m, self._move = width_m, move
        self._lock = threading.Lock()
        self.begin(0.0)

    def begin(self, opening_m: float) -> None:
        """It stands there."""
        with self._lock:
            self.opening_m = self._wished_m = opening_m
            self._rate, self._until_s = 0.0, 0.0

    def command(self, rate_m_s: float, duration_s: float) -> None:
        with self._lock:
            self._rate, self._until_s = rate_m_s, time.monotonic() + duration_s

    def stop(self) -> None:
        """Where it was told to be: what it holds is not let go."""
        with self._lock:
            self._rate = 0.0

    def advance(self, period_s: float) -> None:
        """Raises what `move` raises."""
        with self._lock:
            if self._rate and time.monotonic() < self._until_s:
                moved = self._wished_m + self._rate * period_s
                self._wished_m = min(max(moved, 0.0), self._width_m)
            wished_m = self._wished_m
        if abs(wished_m - self.opening_m) > _LEAST_M:
            self._move(wished_m)
            self.opening_m = wished_m

"""When things are due, and how long they take."""

import contextlib
import time
from collections.abc import Iterator


class Every:
    """True once `period` or more has passed since the last time, in steps or seconds."""

    def __init__(self, period: float, start: float = 0.0) -> None:
        self.period = period
        self.last = start

    def __call__(self, now: float) -> bool:
        if self.period <= 0 or now - self.last < self.period:
            return False
        self.last = now
        return True


class Ratio:
    """How many updates are owed: `first` before any step, then `ratio` per environment step.

    Counts what was done, so a run that resumes from an older checkpoint catches up.
    """

    def __init__(self, ratio: float, first: int = 0) -> None:
        self.ratio, self.first = ratio, first
        self.done = 0

    def owed(self, steps: int) -> int:
        """`steps` below 0 owe nothing."""
        return max(0, self.first + max(0, int(steps * self.ratio + 1e-9)) - self.done)


class Stopwatch:
    """Seconds since it was made, carried over from an earlier process by `before_s`."""

    def __init__(self, before_s: float = 0.0) -> None:
        self._before_s = before_s
        self._start_s = time.monotonic()

    def elapsed_s(self) -> float:
        return self._before_s + time.monotonic() - self._start_s


class Pace:
    """Waits until the next tick of `rate_hz`; a late tick is not made up for."""

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1.0 / rate_hz
        self._next_s = time.monotonic()

    def wait(self) -> None:
        now_s = time.monotonic()
        time.sleep(max(0.0, self._next_s - now_s))
        self._next_s = max(self._next_s, now_s) + self._period_s


class SplitTimer:
    """Sums the time spent in named parts: `with timer("encode"): ...`."""

    def __init__(self) -> None:
        self.total_s: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.total_s[part] = self.total_s.get(part, 0.0) + time.perf_counter() - start

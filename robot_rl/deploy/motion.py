"""What an arm was told lately, so that limits hold per time and not per message. Plain Python."""

import math
from collections import deque

from robot_rl.axes import Vector


class Motion:
    """Rates by axis on the monotonic clock; each acts until the next one, or for `duration_s`.

    Speeding up spends a credit that grows by `max_acceleration` per second and is never more than
    one `period_s` of it: within any time T rates grow by max_acceleration * (T + period_s) at most.
    Slowing down is free. Rates are remembered for `memory_s`.
    """

    def __init__(
        self, max_acceleration: Vector, period_s: float, duration_s: float, memory_s: float
    ) -> None:
        self._acceleration = max_acceleration
        self._full = tuple(a * period_s for a in max_acceleration)
        self._duration_s, self._memory_s = duration_s, memory_s
        self._told: deque[tuple[float, Vector]] = deque()
        self._still = (0.0,) * len(max_acceleration)
        self._credit, self._credit_s = self._full, -math.inf

    def rates(self, now_s: float) -> Vector:
        """What the arm still follows."""
        if not self._told or now_s - self._told[-1][0] > self._duration_s:
            return self._still
        return self._told[-1][1]

    def credit(self, now_s: float) -> Vector:
        """How much every rate may grow now."""
        waited_s = now_s - self._credit_s
        rows = zip(self._credit, self._acceleration, self._full, strict=True)
        return tuple(min(credit + a * waited_s, full) for credit, a, full in rows)

    def tell(self, rates: Vector, now_s: float) -> None:
        """The arm follows `rates` from now on."""
        before = self.rates(now_s)
        rows = zip(self.credit(now_s), before, rates, strict=True)
        self._credit = tuple(credit - _growth(old, new) for credit, old, new in rows)
        self._credit_s = now_s
        if not any(rates) and self._told and not any(self._told[-1][1]):
            return
        self._told.append((now_s, rates))
        while len(self._told) > 1 and self._told[1][0] < now_s - self._memory_s:
            self._told.popleft()

    def since(self, start_s: float, now_s: float) -> tuple[Vector, Vector]:
        """How far back and how far forth each axis was told to go from `start_s` to `now_s`."""
        back, forth = list(self._still), list(self._still)
        end_s = now_s
        for told_s, rates in reversed(self._told):
            acted_s = min(end_s, told_s + self._duration_s) - max(told_s, start_s)
            if acted_s > 0.0:
                for place, rate in enumerate(rates):
                    (back if rate < 0 else forth)[place] += rate * acted_s
            end_s = told_s
            if end_s <= start_s:
                break
        return tuple(back), tuple(forth)


def _growth(old: float, new: float) -> float:
    slower = 0.0 <= new <= old or old <= new <= 0.0
    return 0.0 if slower else abs(new - old)

"""Carries commands out on a simulated arm, tick by tick, as the controller of a real one does."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from robot_rl.axes import GRIPPER, TCP_LINEAR, Axis, Vector

_YAW = "tcp_rz"
# By how much the arm's joints lag behind what they follow; leading by it, the tool keeps its rate.
_LAG_S = 0.03


class RateServo:
    """A command is a rate for each of `axes`. It replaces the last one and acts for a while."""

    def __init__(self, arm: Any, axes: Sequence[Axis]) -> None:
        self._arm = arm
        self._names = tuple(axis.name for axis in axes)
        self._still: Vector = (0.0,) * len(axes)
        self.begin()

    def begin(self) -> None:
        """The arm was put elsewhere: nothing is under way."""
        self._rates, self._led, self._left_s = self._still, self._still, 0.0
        self._opening_m: float | None = None

    def command(self, rates: Sequence[float], duration_s: float) -> None:
        self._rates, self._left_s = tuple(map(float, rates)), duration_s

    def stop(self) -> None:
        """Stand still here, now. The fingers keep what they hold."""
        self._rates, self._led, self._left_s = self._still, self._still, 0.0
        self._arm.hold()

    def tick(self, tick_s: float) -> None:
        """What the command asks of the next `tick_s`."""
        if self._left_s <= 0.0 and not any(self._led):
            return
        acting_s = min(tick_s, max(0.0, self._left_s))
        self._left_s -= tick_s
        rates = self._rates if acting_s > 0.0 else self._still
        rows = list(zip(self._names, rates, self._led, strict=True))
        steps = {name: rate * acting_s + (rate - led) * _LAG_S for name, rate, led in rows}
        self._led = rates
        opened_m = dict(zip(self._names, rates, strict=True)).get(GRIPPER, 0.0) * acting_s
        self._displace(steps, opened_m)

    def _displace(self, steps: dict[str, float], opened_m: float) -> None:
        delta_m = np.array([steps[name] for name in TCP_LINEAR])
        self._arm.displace(delta_m, steps.get(_YAW, 0.0), self._open(opened_m))

    def _open(self, by_m: float) -> float:
        """How far the fingers shall go from where they are. Blocked, they press on."""
        at_m, leash_m = self._arm.gripper_opening, self._arm.config.max_gripper_delta_m
        wanted_m = (at_m if self._opening_m is None else self._opening_m) + by_m
        self._opening_m = min(max(wanted_m, at_m - leash_m), at_m + leash_m)
        return self._opening_m - at_m

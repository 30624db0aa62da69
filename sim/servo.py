"""Carries commands out on a simulated arm, tick by tick, as the controller of a real one does."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from robot_rl.axes import GRIPPER, TCP_LINEAR, Vector

_YAW = "tcp_rz"


class RateServo:
    """A command is a rate for each of the axes `names`. It replaces the last, and acts for a while.

    Leading by `lag_s`, by which the joints are behind what they follow, the tool keeps its rate.

    The one way in which the simulated arm moves: in an environment's step and as a robot in real
    time, so that a policy finds there the speeds that it learned with.
    """

    def __init__(self, arm: Any, names: Sequence[str], lag_s: float) -> None:
        self._arm, self._lag_s = arm, lag_s
        self._place = {name: i for i, name in enumerate(names)}
        self._still: Vector = (0.0,) * len(self._place)
        self.begin()

    def begin(self) -> None:
        """The arm was put elsewhere: nothing is under way."""
        self._rates, self._left_s = self._still, 0.0
        self._fresh = self._leads = False
        self._opening_m: float | None = None

    def command(self, rates: Sequence[float], duration_s: float) -> None:
        self._rates, self._left_s, self._fresh = tuple(map(float, rates)), duration_s, True

    def stop(self) -> None:
        """Stand still here, now. The fingers keep what they hold."""
        self._rates, self._left_s = self._still, 0.0
        self._fresh = self._leads = False
        self._arm.hold()

    def tick(self, tick_s: float) -> None:
        """What the command asks of the next `tick_s`."""
        acting_s = min(tick_s, max(0.0, self._left_s))
        self._left_s -= tick_s
        if acting_s > 0.0:
            self._move(acting_s)
        elif self._leads:
            self._arm.steer(np.zeros(3), 0.0, 0.0, lead_s=0.0)
            self._leads = False

    def _move(self, acting_s: float) -> None:
        if self._fresh:
            linear = np.array([self._rate(name) for name in TCP_LINEAR])
            self._arm.steer(linear, self._rate(_YAW), acting_s, self._lag_s)
            self._fresh, self._leads = False, True
        else:
            self._arm.coast(acting_s)
        opened_m = acting_s * self._rate(GRIPPER)
        if opened_m or self._opening_m is not None:
            self._arm.open_to(self._open(opened_m))

    def _rate(self, name: str) -> float:
        return self._rates[self._place[name]] if name in self._place else 0.0

    def _open(self, by_m: float) -> float:
        """How wide the fingers shall be. Blocked, they press on."""
        at_m, leash_m = self._arm.gripper_opening, self._arm.config.max_gripper_delta_m
        wanted_m = (at_m if self._opening_m is None else self._opening_m) + by_m
        opening_m = min(max(wanted_m, at_m - leash_m), at_m + leash_m)
        self._opening_m = opening_m
        return opening_m

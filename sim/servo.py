"""Carries commands out on a simulated arm, tick by tick, as the controller of a real one does."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from robot_rl.axes import GRIPPER, TCP_LINEAR, Vector

_YAW = "tcp_rz"
# By how much the arm's joints lag behind what they follow; leading by it, the tool keeps its rate.
_LAG_S = 0.03


class RateServo:
    """A command is a rate for each of the axes `names`. It replaces the last, and acts for a while.

    The one way in which the simulated arm moves: in an environment's step and as a robot in real
    time, so that a policy finds there the speeds that it learned with.
    """

    def __init__(self, arm: Any, names: Sequence[str]) -> None:
        self._arm = arm
        self._names = tuple(names)
        self._still: Vector = (0.0,) * len(self._names)
        self.begin()

    def begin(self) -> None:
        """The arm was put elsewhere: nothing is under way."""
        self._rates, self._left_s, self._leads = self._still, 0.0, False
        self._opening_m: float | None = None

    def command(self, rates: Sequence[float], duration_s: float) -> None:
        self._rates, self._left_s = tuple(map(float, rates)), duration_s

    def stop(self) -> None:
        """Stand still here, now. The fingers keep what they hold."""
        self._rates, self._left_s, self._leads = self._still, 0.0, False
        self._arm.hold()

    def tick(self, tick_s: float) -> None:
        """What the command asks of the next `tick_s`."""
        acting_s = min(tick_s, max(0.0, self._left_s))
        self._left_s -= tick_s
        if not acting_s and not self._leads:
            return
        self._leads = acting_s > 0.0 and any(self._rates)
        by = dict(zip(self._names, self._rates, strict=True))
        lead_s = _LAG_S if acting_s else 0.0
        linear = np.array([by[name] for name in TCP_LINEAR])
        turn = by.get(_YAW, 0.0)
        self._arm.displace(
            acting_s * linear,
            acting_s * turn,
            self._open(acting_s * by.get(GRIPPER, 0.0)),
            lead_s * linear,
            lead_s * turn,
        )

    def _open(self, by_m: float) -> float:
        """How far the fingers shall go from where they are. Blocked, they press on."""
        at_m, leash_m = self._arm.gripper_opening, self._arm.config.max_gripper_delta_m
        wanted_m = (at_m if self._opening_m is None else self._opening_m) + by_m
        self._opening_m = min(max(wanted_m, at_m - leash_m), at_m + leash_m)
        return self._opening_m - at_m

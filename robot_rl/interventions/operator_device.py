"""Devices that deflect axes: whatever writes an `OperatorState` is a teleoperation device."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from robot_rl.errors import InterfaceMismatchError
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.operator import OperatorState
from robot_rl.types import ActionField, Interface

# Full deflection takes a set-point through its range in this time.
_RANGE_S = 4.0
# How far a set-point may run ahead of an axis that does not follow, as an action's value.
_LEASH = 0.25


class Driver(Protocol):
    """Writes an `OperatorState` from a thread of its own between `start` and `close`."""

    @property
    def axes(self) -> Sequence[str]:
        """Names of those that it can move."""
        ...

    def start(self) -> None: ...
    def close(self) -> None: ...


class OperatorDevice(TeleopDevice):
    """Deflection moves an axis away from its hold: a takeover starts from rest and jumps nowhere.

    It is a share of the greatest action; where the hold is the measured position, the speed of a
    set-point that starts there. Raises `InterfaceMismatchError` where `driver` cannot move all that
    the policy acts on.
    """

    def __init__(self, operator: OperatorState, driver: Driver, interface: Interface) -> None:
        require_axes(interface, driver.axes, "the device")
        self._operator = operator
        self._driver = driver
        self._interface = interface
        self._pace = 2.0 / (_RANGE_S * interface.control_rate_hz)
        self._at: np.ndarray | None = None  # set-points of this takeover, as an action

    def start(self) -> None:
        self._driver.start()

    def close(self) -> None:
        self._driver.close()

    def begin_episode(self) -> None:
        self._at = None
        self.drop_events()

    def drop_events(self) -> None:
        self._operator.drop_events()

    def read(self, moment: Moment) -> Reading:
        self._operator.require_present()
        wish = self._operator.wish()
        self._at = self._action(wish.axes, moment) if wish.held else None
        return Reading(
            held=wish.held,
            action=self._at,
            lost=self._operator.lost,
            events=self._operator.take_events(),
        )

    def _action(self, axes: Mapping[str, float], moment: Moment) -> np.ndarray:
        hold = self._interface.hold_action(moment.measured)
        at = hold if self._at is None else self._at
        values = [
            _deflected(field, _way(field) * axes.get(field.name, 0.0))
            if field.hold is not None
            else _moved(last, here, _way(field) * axes.get(field.name, 0.0) * self._pace)
            for field, last, here in zip(self._interface.actions, at, hold, strict=True)
        ]
        return np.array(values, np.float32)


def require_axes(interface: Interface, axes: Sequence[str], who: str) -> None:
    """Raise `InterfaceMismatchError` unless all that the policy acts on is among `axes`."""
    wanted = [field.name for field in interface.actions]
    if not set(wanted) <= set(axes):
        raise InterfaceMismatchError(
            f"the policy for {interface.task} acts on {', '.join(wanted)}; {who} moves "
            f"{', '.join(axes) or 'nothing'}. Take another human.device: the web page moves any."
        )


def _way(field: ActionField) -> float:
    """Deflection points along the axis, whatever sign the policy gives it."""
    return math.copysign(1.0, field.scale)


def _deflected(field: ActionField, deflection: float) -> float:
    """From the value that holds to either end of [-1, 1]."""
    assert field.hold is not None
    room = 1.0 - field.hold if deflection > 0 else 1.0 + field.hold
    return field.hold + room * deflection


def _moved(last: float, here: float, step: float) -> float:
    """The set-point `last`, one step on; it stays near `here`, where the axis stands."""
    return min(max(last + step, here - _LEASH, -1.0), here + _LEASH, 1.0)

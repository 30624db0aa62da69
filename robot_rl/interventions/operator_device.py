"""Displacement devices: whatever writes an `OperatorState` is a teleoperation device."""

import math
from typing import Protocol

import numpy as np

from robot_rl.errors import InterfaceMismatchError
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.operator import OperatorState
from robot_rl.types import Interface

_AXES = ("tcp_x", "tcp_y", "tcp_z", "gripper")


class Driver(Protocol):
    """Writes an `OperatorState` from a thread of its own between `start` and `close`."""

    def start(self) -> None: ...
    def close(self) -> None: ...


class OperatorDevice(TeleopDevice):
    """Deflection becomes velocity, so a takeover starts from rest and needs no ramp."""

    def __init__(self, operator: OperatorState, driver: Driver, interface: Interface) -> None:
        self._operator = operator
        self._driver = driver
        unknown = [f.name for f in interface.actions if f.name not in _AXES]
        if unknown:
            raise InterfaceMismatchError(
                f"the policy for {interface.task} acts on {', '.join(unknown)}; an operator here "
                f"moves {', '.join(_AXES)}."
            )
        # 1 opens the gripper, whatever sign the policy gives it.
        self._ways = [(_AXES.index(f.name), math.copysign(1.0, f.scale)) for f in interface.actions]

    def start(self) -> None:
        self._driver.start()

    def close(self) -> None:
        self._driver.close()

    def begin_episode(self) -> None:
        self.drop_events()

    def drop_events(self) -> None:
        self._operator.drop_events()

    def read(self, moment: Moment) -> Reading:
        self._operator.require_present()
        wish = self._operator.wish()
        action = np.array([sign * wish.axes[place] for place, sign in self._ways], np.float32)
        return Reading(
            held=wish.held,
            action=action if wish.held else None,
            lost=self._operator.lost,
            events=self._operator.take_events(),
        )

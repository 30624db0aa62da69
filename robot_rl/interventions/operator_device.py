"""Displacement devices: whatever writes an `OperatorState` is a teleoperation device."""

from typing import Protocol

import numpy as np

from robot_rl.deploy.actions import ActionMap
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.operator import OperatorState
from robot_rl.types import Interface


class Driver(Protocol):
    """Writes an `OperatorState` from a thread of its own between `start` and `close`."""

    def start(self) -> None: ...
    def close(self) -> None: ...


class OperatorDevice(TeleopDevice):
    """Deflection becomes velocity, so a takeover starts from rest and needs no ramp."""

    def __init__(self, operator: OperatorState, driver: Driver, interface: Interface) -> None:
        self._operator = operator
        self._driver = driver
        self._map = ActionMap(interface)

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
        velocity = [axis * bound for axis, bound in zip(wish.axes, self._map.bound, strict=True)]
        action = self._map.action(velocity).astype(np.float32) if wish.held else None
        return Reading(
            held=wish.held,
            action=action,
            lost=self._operator.lost,
            events=self._operator.take_events(),
        )

"""A leader arm: a second arm that is moved by hand and followed.

Its pose is absolute, so a takeover would make the follower jump to it. The clutch takes both poses
at the moment of the takeover and follows the difference alone: nothing moves until the leader does.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hardware.arm import Arm
from robot_rl.axes import GRIPPER, JOINT_PREFIX, TCP_ANGULAR, TCP_LINEAR
from robot_rl.errors import InterfaceMismatchError
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import Driver, require_axes
from robot_rl.types import ActionField, Interface

Pose = Mapping[str, float]


@dataclass(frozen=True)
class Clutch:
    """Where each axis of leader and follower stood, by name, when the takeover began."""

    leader: Pose
    follower: Pose

    def way(self, axis: str, leader: Pose) -> float:
        """How far the follower's `axis` shall be from where it was."""
        return _apart(axis, leader[axis], self.leader[axis])

    def gap(self, axis: str, leader: Pose, follower: Pose) -> float:
        """How far it still has to go."""
        done = _apart(axis, follower[axis], self.follower[axis])
        return self.way(axis, leader) - done


class LeaderArm(TeleopDevice):
    """`deadman` is a button on a device of its own: keyboard, pedal or gamepad.

    Raises `InterfaceMismatchError` where the arm does not tell of all that the policy acts on.
    """

    def __init__(
        self, arm: Arm, operator: OperatorState, deadman: Driver, interface: Interface
    ) -> None:
        features = arm.features
        joints = [JOINT_PREFIX + name for name in features.joint_names]
        more = [axis.name for axis in features.axes]
        known = dict.fromkeys((*TCP_LINEAR, *TCP_ANGULAR, GRIPPER, *joints, *more))
        require_axes(interface, tuple(known), f"the leader arm {features.name}")
        self._arm, self._operator, self._deadman = arm, operator, deadman
        self._interface = interface
        self._clutch: Clutch | None = None

    def start(self) -> None:
        self._arm.connect()
        self._deadman.start()

    def begin_episode(self) -> None:
        self._clutch = None
        self.drop_events()

    def drop_events(self) -> None:
        self._operator.drop_events()

    def close(self) -> None:
        try:
            self._deadman.close()
        finally:
            self._arm.disconnect()

    def read(self, moment: Moment) -> Reading:
        self._operator.require_present()
        held, events = self._operator.wish().held, self._operator.take_events()
        if not held:
            self._clutch = None
            return Reading(lost=self._operator.lost, events=events)
        leader, follower = self._arm.features.measured(self._arm.state()), self._follower(moment)
        clutch = self._clutch = self._clutch or Clutch(leader, follower)
        values = [self._value(field, clutch, leader, follower) for field in self._interface.actions]
        action = np.clip(values, -1.0, 1.0).astype(np.float32)
        return Reading(held=True, action=action, events=events)

    def _value(self, field: ActionField, clutch: Clutch, leader: Pose, follower: Pose) -> float:
        if field.kind == "position":
            at = clutch.follower[field.name] + clutch.way(field.name, leader)
            return (at - field.offset) / field.scale
        step = clutch.gap(field.name, leader, follower) / field.scale
        return step * self._interface.control_rate_hz if field.kind == "velocity" else step

    def _follower(self, moment: Moment) -> Pose:
        measured = moment.measured or {}
        missing = [f.name for f in self._interface.actions if f.name not in measured]
        if missing:
            raise InterfaceMismatchError(
                f"a leader arm is followed from where the robot stands, and {self._interface.task} "
                f"does not measure {', '.join(missing)}; it measures "
                f"{', '.join(measured) or 'nothing'}."
            )
        return measured


def _apart(axis: str, a: float, b: float) -> float:
    """From `b` to `a`, the shorter way round for what turns."""
    return math.remainder(a - b, math.tau) if axis in TCP_ANGULAR else a - b

"""A leader arm: a second arm that is moved by hand and followed.

Its pose is absolute, so a takeover would make the follower jump to it. The clutch takes both poses
at the moment of the takeover and follows the difference alone: nothing moves until the leader does.
"""

from dataclasses import dataclass

import numpy as np

from hardware.arm import Arm, ArmState
from robot_rl.errors import InterfaceMismatchError
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import Driver
from robot_rl.types import PROPRIO, TCP_POS, TCP_POS_FROM_START, Interface, proprio_place

_AXES = {"tcp_x": 0, "tcp_y": 1, "tcp_z": 2, "gripper": 3}


@dataclass(frozen=True)
class Clutch:
    """Poses [4] (tcp and gripper, m) of leader and follower where the takeover began."""

    leader: np.ndarray
    follower: np.ndarray

    def target(self, leader: np.ndarray) -> np.ndarray:
        """Where the follower shall be [4]."""
        return self.follower + leader - self.leader


class LeaderArm(TeleopDevice):
    """`deadman` is a button on a device of its own: keyboard, pedal or gamepad."""

    def __init__(
        self, arm: Arm, operator: OperatorState, deadman: Driver, interface: Interface
    ) -> None:
        self._arm, self._operator, self._deadman = arm, operator, deadman
        unknown = [field.name for field in interface.actions if field.name not in _AXES]
        if unknown:
            raise InterfaceMismatchError(
                f"a leader arm gives displacements of {', '.join(_AXES)}; {interface.task} acts on "
                f"{', '.join(unknown)}."
            )
        self._places = [_AXES[field.name] for field in interface.actions]
        self._scales = np.array([field.scale for field in interface.actions])
        # The clutch takes differences alone, so either frame will do.
        relative = any(field.name == TCP_POS_FROM_START for field in interface.proprio)
        tcp = proprio_place(interface, TCP_POS_FROM_START if relative else TCP_POS)
        self._tcp = slice(tcp, tcp + 3)
        self._gripper = proprio_place(interface, "gripper_opening") if 3 in self._places else None
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
        leader, follower = _pose(self._arm.state()), self._follower(moment)
        if self._clutch is None:
            self._clutch = Clutch(leader, follower)
        gap = (self._clutch.target(leader) - follower)[self._places]
        action = np.clip(gap / self._scales, -1.0, 1.0).astype(np.float32)
        return Reading(held=True, action=action, events=events)

    def _follower(self, moment: Moment) -> np.ndarray:
        proprio = moment.obs[PROPRIO]
        gripper = proprio[self._gripper] if self._gripper is not None else 0.0
        return np.array([*proprio[self._tcp], gripper], np.float64)


def _pose(state: ArmState) -> np.ndarray:
    return np.array([*state.tcp_pos_m, state.gripper_m], np.float64)

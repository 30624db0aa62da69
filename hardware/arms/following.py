"""Position targets for joints that are told how fast to move: what position servos need.

A target runs ahead of its joint by `LEAD_RAD` at most: what an arm could not follow is not made up
for later.
"""

import threading
import time
from collections.abc import Sequence

import numpy as np

from hardware.kinematics import Kinematics
from robot_rl.axes import GRIPPER, JOINT_PREFIX, TCP_ANGULAR, TCP_LINEAR, Axis, Vector

LEAD_RAD = 0.15
# A joint hangs below its target by so much under its own weight. Taking that for where it shall be
# would let the arm sink further at every stop.
_SAG_RAD = 0.05
_MOST_PERIODS = 5


def tcp_axes() -> tuple[Axis, ...]:
    """The tool, straight and turned, and the gripper."""
    linear = (Axis(name=name, unit="m") for name in TCP_LINEAR)
    angular = (Axis(name=name, unit="rad") for name in TCP_ANGULAR)
    return (*linear, *angular, Axis(name=GRIPPER, unit="m"))


def joint_axes(names: Sequence[str]) -> tuple[Axis, ...]:
    """Every joint, and the gripper."""
    joints = (Axis(name=JOINT_PREFIX + name, unit="rad") for name in names)
    return (*joints, Axis(name=GRIPPER, unit="m"))


class Following:
    """Targets [n] rad for the joints of `kinematics`, and m for its gripper.

    Commands are those of `tcp_axes`, or of `joint_axes`. One thread may command and stop while
    another asks for the `next` targets. It begins with `begin`.
    """

    def __init__(self, kinematics: Kinematics, by_joints: bool) -> None:
        self._kinematics, self._by_joints = kinematics, by_joints
        self._low = np.array(kinematics.joint_low_rad)
        self._high = np.array(kinematics.joint_high_rad)
        self._lock = threading.Lock()
        self._command: Vector = ()
        self._until_s = self._asked_s = 0.0
        self._targets = np.zeros(len(self._low))
        self._gripper_m = 0.0
        self._restart = False  # the measured joints become the targets

    def command(self, command: Sequence[float], duration_s: float) -> None:
        with self._lock:
            self._command = tuple(command)
            self._until_s = time.monotonic() + duration_s

    def stop(self) -> None:
        with self._lock:
            self._command, self._restart = (), True

    def begin(self, joints_rad: Sequence[float], gripper_m: float) -> None:
        """These are the targets, whatever they were."""
        with self._lock:
            self._command, self._restart = (), False
            self._targets, self._gripper_m = np.array(joints_rad, float), gripper_m

    def next(self, joints_rad: Sequence[float], period_s: float) -> tuple[np.ndarray, float]:
        """Where to go from what is measured now, asked about every `period_s`.

        After a stop the fingers keep their target: what they hold is not let go.
        """
        measured, now_s = np.asarray(joints_rad, float), time.monotonic()
        with self._lock:
            # A thread that came late has later targets, too; after a pause it begins anew.
            late_s, self._asked_s = now_s - self._asked_s, now_s
            span_s = min(late_s, _MOST_PERIODS * period_s)
            if self._restart:
                near = np.abs(self._targets - measured) < _SAG_RAD
                self._targets, self._restart = np.where(near, self._targets, measured), False
            if self._command and time.monotonic() < self._until_s:
                self._advance(measured, span_s)
            return self._targets.copy(), self._gripper_m

    @property
    def left_s(self) -> float:
        """How long the command still lasts."""
        with self._lock:
            return max(0.0, self._until_s - time.monotonic()) if self._command else 0.0

    def _advance(self, measured: np.ndarray, span_s: float) -> None:
        *motion, gripper_rate = self._command
        if self._by_joints:
            rates = np.array(motion)
        else:
            rates = self._kinematics.rates(self._targets.tolist(), motion[:3], motion[3:])
        # Who stands beyond a limit is kept from going further, and not brought back in one leap.
        low, high = np.minimum(self._low, self._targets), np.maximum(self._high, self._targets)
        inside = np.clip(self._targets + rates * span_s, low, high)
        self._targets = np.clip(inside, measured - LEAD_RAD, measured + LEAD_RAD)
        if gripper_rate:
            bounds = sorted((0.0, self._kinematics.arm.gripper_max_m, self._gripper_m))
            moved = self._gripper_m + gripper_rate * span_s
            self._gripper_m = min(max(moved, bounds[0]), bounds[-1])

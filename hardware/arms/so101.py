"""The SO-101 on its Feetech bus, as follower that is commanded and as leader that is moved by hand.

Calibration is LeRobot's file, and it must be what the servos hold. Joint angles count from the
middle of the calibrated range, where the model of `task.arm=so101` has its zero; `zero_rad` and
`flipped` mend an arm whose zero lies elsewhere.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.arm import ArmFeatures, ArmState
from hardware.arms import feetech
from hardware.arms.feetech import FeetechBus, ServoState
from hardware.arms.following import Following, joint_axes, tcp_axes
from hardware.arms.polled import PolledArm
from hardware.kinematics import Kinematics
from robot_rl.errors import ConfigError, CorruptFileError, HardwareError

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
_GRIPPER = "gripper"
_RAD_PER_COUNT = 2.0 * math.pi / 4096
_POSITION_MODE = 0
# The model's jaw joint from closed to wide open.
_JAW_RAD = (-0.174533, 1.745329)


@dataclass(frozen=True)
class Range:
    """Of one servo: its id, offset, and the counts between which it was calibrated."""

    servo: int
    offset: int
    low: int
    high: int

    def rad(self, count: int) -> float:
        return (count - 0.5 * (self.low + self.high)) * _RAD_PER_COUNT

    def count(self, rad: float) -> int:
        wished = round(rad / _RAD_PER_COUNT + 0.5 * (self.low + self.high))
        return min(max(wished, self.low), self.high)


def read_calibration(path: Path) -> dict[str, Range]:
    """LeRobot's JSON. Raises `CorruptFileError` where a joint is missing or is not one of these."""
    try:
        tree = json.loads(path.read_text())
        return {name: _range(tree[name]) for name in (*JOINTS, _GRIPPER)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{path} is no calibration of an SO-101 ({type(error).__name__}: {error}). Calibrate "
            "it with lerobot-calibrate, and give that file: calibration=PATH."
        ) from error


def _range(tree: Mapping[str, int]) -> Range:
    made = Range(tree["id"], tree["homing_offset"], tree["range_min"], tree["range_max"])
    if made.low >= made.high:
        raise ValueError(f"servo {made.servo} has the range {made.low} to {made.high}")
    return made


class SO101(PolledArm):
    """`control` chooses the axes: `tcp` (through the model's kinematics) or `joints`.

    A thread reads and writes the bus `rate_hz` times a second. A leader's torque is never on.
    """

    def __init__(
        self,
        port: str,
        calibration: str,
        control: str = "tcp",
        rate_hz: float = 100.0,
        leads: bool = False,
        zero_rad: Mapping[str, float] | None = None,
        flipped: Sequence[str] = (),
    ) -> None:
        if control not in ("tcp", "joints"):
            raise ConfigError(f"control of an SO-101 is '{control}'; it is tcp or joints.")
        self._ranges = read_calibration(Path(calibration))
        self._zero = [(zero_rad or {}).get(name, 0.0) for name in JOINTS]
        self._sign = [-1.0 if name in flipped else 1.0 for name in JOINTS]
        super().__init__("so101_leader" if leads else "so101", rate_hz)
        self._leads = leads
        self._bus = FeetechBus(port, [each.servo for each in self._ranges.values()])
        self._kinematics = Kinematics("so101")
        self._model = self._kinematics.arm
        by_joints = control == "joints"
        self._following = Following(self._kinematics, by_joints)
        self.features = ArmFeatures(
            name=self._name,
            axes=joint_axes(JOINTS) if by_joints else tcp_axes(),
            joint_names=JOINTS,
            joint_low_rad=self._kinematics.joint_low_rad,
            joint_high_rad=self._kinematics.joint_high_rad,
            gripper_max_m=self._model.gripper_max_m,
            rest_quat=(0.0, 1.0, 0.0, 0.0),
        )

    def command(self, command: Sequence[float], duration_s: float) -> None:
        if self._leads:
            raise HardwareError("this SO-101 leads: it is moved by hand, and takes no commands.")
        self.require_sound()
        self._following.command(command, duration_s)

    def stop(self) -> None:
        self._following.stop()

    def disconnect(self) -> None:
        """The arm goes limp: support it."""
        connected = self._thread is not None and self._error is None
        self._end()
        try:
            if connected:
                self._bus.torque(False)
        finally:
            self._shut()

    # --------------------------------------------------------------------------- the bus

    def _open(self) -> None:
        self._bus.open()
        self._require_calibrated()
        self._set_up()

    def _begin(self, state: ArmState) -> None:
        self._following.begin(state.joint_pos_rad, state.gripper_m)

    def _shut(self) -> None:
        self._bus.close()

    def _require_calibrated(self) -> None:
        for name, wanted in self._ranges.items():
            found = Range(
                wanted.servo,
                self._bus.read(wanted.servo, feetech.HOMING_OFFSET, sign=11),
                self._bus.read(wanted.servo, feetech.MIN_POSITION),
                self._bus.read(wanted.servo, feetech.MAX_POSITION),
            )
            if self._bus.read(wanted.servo, feetech.OPERATING_MODE) != _POSITION_MODE:
                raise HardwareError(
                    f"the servo {wanted.servo} ({name}) is not in position mode: with torque it "
                    "would turn by itself. Set it up with lerobot-calibrate."
                )
            if found != wanted:
                raise HardwareError(
                    f"the servo {wanted.servo} ({name}) holds offset {found.offset} and range "
                    f"{found.low} to {found.high}, and the calibration file says {wanted.offset}, "
                    f"{wanted.low} to {wanted.high}: it is of another arm, or the arm was "
                    "calibrated since. Give the file of this arm."
                )

    def _set_up(self) -> None:
        """Torque comes on where the arm stands, not where it was last told to go. A servo in a
        fault goes limp first, for it lets go of an overload only so."""
        if self._leads:
            self._bus.torque(False)
            return
        states = self._bus.states()
        self._bus.torque(False, [servo for servo, state in states.items() if state.faults])
        self._stand()
        self._bus.torque(True)

    def _stand(self) -> None:
        """Every servo's goal is where it is now."""
        if not self._leads:
            self._bus.goals({n: state.position for n, state in self._bus.states().items()})

    def _measured(self, state: ArmState) -> None:
        if not self._leads:
            self._bus.goals(self._goals(state))

    def _goals(self, state: ArmState) -> dict[int, int]:
        joints, gripper_m = self._following.next(state.joint_pos_rad, self._period_s)
        counts = {
            self._ranges[name].servo: self._ranges[name].count((rad - zero) * sign)
            for name, rad, zero, sign in zip(JOINTS, joints, self._zero, self._sign, strict=True)
        }
        jaw = self._ranges[_GRIPPER]
        (jaw_rad,) = self._model.gripper_joints(gripper_m, self._model.fingers)
        low, high = _JAW_RAD
        share = (float(jaw_rad) - low) / (high - low)
        return {**counts, jaw.servo: round(jaw.low + share * (jaw.high - jaw.low))}

    def _measure(self) -> ArmState:
        """Raises `HardwareError` for a servo in a fault."""
        stamp_s = time.time()
        states = self._bus.states()
        _require_sound(states, self._ranges)
        found = {name: states[each.servo] for name, each in self._ranges.items()}
        joints = tuple(
            sign * self._ranges[name].rad(found[name].position) + zero
            for name, zero, sign in zip(JOINTS, self._zero, self._sign, strict=True)
        )
        speeds = tuple(
            sign * found[name].speed * _RAD_PER_COUNT
            for name, sign in zip(JOINTS, self._sign, strict=True)
        )
        tool = self._kinematics.tool(joints, speeds)
        return ArmState(
            joint_pos_rad=joints,
            joint_vel_rad_s=speeds,
            tcp_pos_m=tool.pos_m,
            tcp_quat=tool.quat,
            tcp_vel_m_s=tool.vel_m_s,
            tcp_rot_vel_rad_s=tool.rot_vel_rad_s,
            gripper_m=self._opening_m(found[_GRIPPER]),
            stamp_s=stamp_s,
        )

    def _opening_m(self, jaw: ServoState) -> float:
        each = self._ranges[_GRIPPER]
        low, high = _JAW_RAD
        share = (jaw.position - each.low) / (each.high - each.low)
        return self._model.opening(low + share * (high - low))


def open_leader(**settings: Any) -> SO101:
    """An SO-101 that is moved by hand."""
    return SO101(leads=True, **settings)


def _require_sound(states: Mapping[int, ServoState], ranges: Mapping[str, Range]) -> None:
    for name, each in ranges.items():
        faults = states[each.servo].faults
        if faults:
            raise HardwareError(
                f"servo {each.servo} ({name}) stopped: {', '.join(faults)}. Free the arm, then "
                "recover it; where that does not help, switch its power off and on."
            )

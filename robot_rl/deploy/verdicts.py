"""What is asked of an arm, what is known of it, and what safety made of it. Plain Python."""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from robot_rl.axes import Vector


class Now(NamedTuple):
    """System time for stamps, monotonic time for silences and for how long a command has acted."""

    system_s: float
    mono_s: float

    @classmethod
    def read(cls) -> "Now":
        return cls(time.time(), time.monotonic())


class Reason(StrEnum):
    """Why the filter acted. Those in `LATCHING` stop the arm until an explicit reset."""

    ACTION_BOUND = "action outside its bounds"
    STEP_LIMIT = "step limit"
    VELOCITY_LIMIT = "velocity limit"
    ACCELERATION_LIMIT = "acceleration limit"
    WORKSPACE = "workspace box"
    JOINT_LIMIT = "joint near its limit"
    FORCE_LIMIT = "force limit"
    NOT_FINITE = "not a finite number"
    MALFORMED = "wrong number of axes"
    STALE_COMMAND = "stale command"
    STALE_STATE = "stale arm state"
    STALE_OBSERVATION = "stale observation"
    CAMERA_FROZEN = "camera frozen"
    CAMERA_BLANK = "camera blank"
    CAMERA_MALFORMED = "camera picture cannot be read"
    POLICY_SILENT = "policy fell silent in motion"
    OPERATOR_LOST = "operator lost with the dead-man held"
    TWO_PUBLISHERS = "two publishers on one command topic"
    CLOCK_JUMP = "clock jumped"
    TRIGGERED = "stop was triggered"
    NOT_ARMED = "not armed yet"
    NOT_ACTIVATED = "policy not activated since the reset"


LATCHING = frozenset(Reason) - {
    Reason.ACTION_BOUND,
    Reason.STEP_LIMIT,
    Reason.VELOCITY_LIMIT,
    Reason.ACCELERATION_LIMIT,
    Reason.WORKSPACE,
    Reason.STALE_COMMAND,
    Reason.NOT_ACTIVATED,
}


@dataclass(frozen=True, kw_only=True)
class Command:
    """A number for each axis, rate or level, and None to hold. Stamps are system time."""

    values: Vector | None
    source: str
    stamp_s: float


@dataclass(frozen=True, kw_only=True)
class ArmReading:
    """What the filter knows of the arm: axis positions; tool, joints, force where reported."""

    position: Vector
    stamp_s: float
    tcp_pos_m: Vector = ()
    joints_rad: Vector = ()
    force_n: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was asked of each axis and what may be applied. With `hold` nothing may move."""

    source: str
    requested: Vector
    applied: Vector
    hold: bool
    reasons: tuple[Reason, ...] = ()

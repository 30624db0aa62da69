"""What a robot can be told to move, axis by axis. Plain Python: safety stands on it.

Only a driver knows which axes there are; everything else goes by their names. Of the tool centre
point: `tcp_x|y|z` (m) and `tcp_rx|ry|rz` (rad, the rotation vector in the base frame); `gripper`
(m, how far one finger stands from the middle); `joint/<name>` (rad); and whatever else a driver
declares, such as `thrust` (N).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Vector = tuple[float, ...]

TCP_LINEAR = ("tcp_x", "tcp_y", "tcp_z")
TCP_ANGULAR = ("tcp_rx", "tcp_ry", "tcp_rz")
GRIPPER = "gripper"
JOINT_PREFIX = "joint/"

# A gripper's action in [-1, 1] that is no larger than this tells it to stay as it is.
GRIPPER_DEADBAND = 1.0 / 3.0


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis that a driver offers.

    By `rate` it is told how fast to move (`unit` per second), and zero holds it. By `level` it is
    told where to be; `hold` is the level that holds it, None for the measured one.
    """

    name: str
    unit: str
    by: Literal["rate", "level"] = "rate"
    hold: float | None = None


def moves(axes: Sequence[Axis], command: Sequence[float] | None) -> bool:
    """Whether `command` asks for anything. None holds, and so do rates that are all zero."""
    if command is None:
        return False
    levels = any(axis.by == "level" for axis in axes)
    return levels or any(command)


def hold_command(axes: Sequence[Axis], position: Sequence[float]) -> Vector:
    """What holds each axis at `position`, where it was measured."""

    def hold(axis: Axis, at: float) -> float:
        if axis.by == "rate":
            return 0.0
        return at if axis.hold is None else axis.hold

    return tuple(hold(axis, at) for axis, at in zip(axes, position, strict=True))

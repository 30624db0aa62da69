"""A policy's proprio, from what an arm measures."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from hardware.arm import ArmState
from hardware.rotation import columns
from robot_rl.axes import Vector
from robot_rl.errors import InterfaceMismatchError
from robot_rl.types import TCP_POS, TCP_POS_FROM_START, ProprioField


def _yaw(state: ArmState) -> Vector:
    """Sine and cosine [2] of the angle about the vertical at which the tool's own x points."""
    cosine, sine, *_ = columns(state.tcp_quat)
    length = math.hypot(cosine, sine) or 1.0
    return (sine / length, cosine / length)


# From a state and the tcp position at the start of the episode.
_MEASURES: dict[str, Callable[[ArmState, Vector], Vector]] = {
    TCP_POS: lambda s, _: s.tcp_pos_m,
    TCP_POS_FROM_START: lambda s, start: tuple(
        a - b for a, b in zip(s.tcp_pos_m, start, strict=True)
    ),
    "tcp_vel": lambda s, _: s.tcp_vel_m_s,
    "tcp_quat": lambda s, _: s.tcp_quat,
    "tcp_rot": lambda s, _: columns(s.tcp_quat),
    "tcp_rot_vel": lambda s, _: s.tcp_rot_vel_rad_s,
    "tcp_yaw": lambda s, _: _yaw(s),
    "tcp_yaw_vel": lambda s, _: s.tcp_rot_vel_rad_s[2:],
    "gripper_opening": lambda s, _: (s.gripper_m,),
    "joint_pos": lambda s, _: s.joint_pos_rad,
    "joint_vel": lambda s, _: s.joint_vel_rad_s,
}


class ProprioReader:
    """Lays states out as `fields` say. The first state of an episode is its start.

    Raises `InterfaceMismatchError` for a field that no arm measures.
    """

    def __init__(self, fields: Sequence[ProprioField]) -> None:
        unknown = [field.name for field in fields if field.name not in _MEASURES]
        if unknown:
            raise InterfaceMismatchError(
                f"an arm cannot measure the proprio {', '.join(unknown)}; it offers "
                f"{', '.join(_MEASURES)}."
            )
        self._fields = tuple(fields)
        self._start: Vector | None = None

    def begin_episode(self) -> None:
        self._start = None

    def read(self, state: ArmState) -> np.ndarray:
        """float32 [P]. Raises `InterfaceMismatchError` for a field of another size."""
        if self._start is None:
            self._start = state.tcp_pos_m
        parts = [_MEASURES[field.name](state, self._start) for field in self._fields]
        for field, part in zip(self._fields, parts, strict=True):
            if len(part) != field.size:
                raise InterfaceMismatchError(
                    f"proprio field {field.name} has {len(part)} numbers here; the policy takes "
                    f"{field.size}."
                )
        return np.array([number for part in parts for number in part], np.float32)

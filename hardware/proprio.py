"""A policy's proprio, from what an arm measures."""

from collections.abc import Callable, Sequence

import numpy as np

from hardware.arm import ArmState, Vector
from robot_rl.errors import InterfaceMismatchError
from robot_rl.types import TCP_POS, TCP_POS_FROM_START, ProprioField

# From a state and the tcp position at the start of the episode.
_MEASURES: dict[str, Callable[[ArmState, Vector], Vector]] = {
    TCP_POS: lambda s, _: s.tcp_pos_m,
    TCP_POS_FROM_START: lambda s, start: tuple(
        a - b for a, b in zip(s.tcp_pos_m, start, strict=True)
    ),
    "tcp_vel": lambda s, _: s.tcp_vel_m_s,
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

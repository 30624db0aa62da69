"""What every arm offers, real or simulated. SI units; stamps are system time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot_rl.deploy.safety import ArmReading
from robot_rl.errors import InterfaceMismatchError
from robot_rl.types import ProprioField

Vector = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ArmFeatures:
    """What an arm is: joints with their ranges, tool and gripper."""

    name: str
    joint_names: tuple[str, ...]
    joint_low_rad: Vector
    joint_high_rad: Vector
    gripper_max_m: float = 0.0
    reports_force: bool = False
    base_frame: str = "base_link"


@dataclass(frozen=True, kw_only=True)
class ArmState:
    """One measurement. `gripper_m` is how far one finger stands from the middle."""

    joint_pos_rad: Vector
    joint_vel_rad_s: Vector
    tcp_pos_m: Vector
    tcp_vel_m_s: Vector
    stamp_s: float
    gripper_m: float = 0.0
    force_n: float = 0.0

    def reading(self) -> ArmReading:
        return ArmReading(
            position=(*self.tcp_pos_m, self.gripper_m), stamp_s=self.stamp_s,
            joints_rad=self.joint_pos_rad, force_n=self.force_n,
        )  # fmt: skip


class Arm(Protocol):
    """One arm. `command` and `stop` may be called from different threads."""

    @property
    def features(self) -> ArmFeatures: ...
    def connect(self) -> None: ...
    def state(self) -> ArmState: ...
    def command(self, velocity: Sequence[float], period_s: float) -> None:
        """Move tcp x, y, z and gripper [4] at `velocity` m/s for `period_s`, then stand still."""

    def stop(self) -> None:
        """Stand still here, now: the measured joints become the target."""

    def recover(self) -> None:
        """Leave a fault of the arm's own, standing still."""

    def disconnect(self) -> None: ...


_PROPRIO = {
    "tcp_pos": lambda s: s.tcp_pos_m,
    "tcp_vel": lambda s: s.tcp_vel_m_s,
    "gripper_opening": lambda s: (s.gripper_m,),
    "joint_pos": lambda s: s.joint_pos_rad,
    "joint_vel": lambda s: s.joint_vel_rad_s,
}


def proprio(state: ArmState, fields: Sequence[ProprioField]) -> np.ndarray:
    """float32 [P] as a policy's interface lays it out. Raises `InterfaceMismatchError`."""
    require_proprio(fields)
    parts = [_PROPRIO[field.name](state) for field in fields]
    for field, part in zip(fields, parts, strict=True):
        if len(part) != field.size:
            raise InterfaceMismatchError(
                f"proprio field {field.name} has {len(part)} numbers here; the policy takes "
                f"{field.size}."
            )
    return np.array([number for part in parts for number in part], np.float32)


def require_proprio(fields: Sequence[ProprioField]) -> None:
    """Raise `InterfaceMismatchError` for a field that no arm measures."""
    unknown = [field.name for field in fields if field.name not in _PROPRIO]
    if unknown:
        raise InterfaceMismatchError(
            f"an arm cannot measure the proprio {', '.join(unknown)}; it offers "
            f"{', '.join(_PROPRIO)}."
        )

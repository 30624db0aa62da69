"""What every arm offers, real or simulated. SI units; stamps are system time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from robot_rl.deploy.safety import ArmReading

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
            position=(*self.tcp_pos_m, self.gripper_m),
            stamp_s=self.stamp_s,
            joints_rad=self.joint_pos_rad,
            force_n=self.force_n,
        )


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

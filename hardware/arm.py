"""What every arm offers, real or simulated. SI units; stamps are system time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from hardware.rotation import rotation_vector
from robot_rl.axes import GRIPPER, JOINT_PREFIX, TCP_ANGULAR, TCP_LINEAR, Axis, Vector
from robot_rl.deploy.verdicts import ArmReading
from robot_rl.errors import HardwareError
from robot_rl.types import Scene


@dataclass(frozen=True, kw_only=True)
class ArmState:
    """One measurement. `gripper_m` is how far one finger stands from the middle.

    `tcp_quat` is (w, x, y, z), `tcp_rot_vel_rad_s` in the base frame. `other` has the positions of
    axes beyond tool, joints and gripper, by name.
    """

    joint_pos_rad: Vector
    joint_vel_rad_s: Vector
    tcp_pos_m: Vector
    tcp_quat: Vector
    tcp_vel_m_s: Vector
    stamp_s: float
    tcp_rot_vel_rad_s: Vector = (0.0, 0.0, 0.0)
    gripper_m: float = 0.0
    force_n: float = 0.0
    other: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ArmFeatures:
    """What an arm is: the axes that it takes commands for, joints with their ranges, gripper.

    The tool's rotation counts from `rest_quat` (w, x, y, z), so that the work done around it stays
    away from the half turn at which a rotation vector jumps.
    """

    name: str
    axes: tuple[Axis, ...]
    joint_names: tuple[str, ...]
    joint_low_rad: Vector
    joint_high_rad: Vector
    gripper_max_m: float = 0.0
    reports_force: bool = False
    base_frame: str = "base_link"
    rest_quat: Vector = (1.0, 0.0, 0.0, 0.0)

    @property
    def other_names(self) -> tuple[str, ...]:
        """Of the axes beyond tool, joints and gripper."""
        known = {*TCP_LINEAR, *TCP_ANGULAR, GRIPPER}
        return tuple(
            axis.name
            for axis in self.axes
            if axis.name not in known and not axis.name.startswith(JOINT_PREFIX)
        )

    def reading(self, state: ArmState) -> ArmReading:
        """What the safety filter sees. Raises `HardwareError` for an axis that is not measured."""
        measured = self.measured(state)
        missing = [axis.name for axis in self.axes if axis.name not in measured]
        if missing:
            raise HardwareError(
                f"the arm {self.name} does not measure its axes {', '.join(missing)}; it measures "
                f"{', '.join(measured)}."
            )
        return ArmReading(
            position=tuple(measured[axis.name] for axis in self.axes),
            tcp_pos_m=state.tcp_pos_m,
            stamp_s=state.stamp_s,
            joints_rad=state.joint_pos_rad,
            force_n=state.force_n,
        )

    def measured(self, state: ArmState) -> dict[str, float]:
        """Position of every axis that `state` tells of."""
        joints = [JOINT_PREFIX + name for name in self.joint_names]
        return {
            **dict(zip(TCP_LINEAR, state.tcp_pos_m, strict=True)),
            **dict(zip(TCP_ANGULAR, rotation_vector(state.tcp_quat, self.rest_quat), strict=True)),
            **dict(zip(joints, state.joint_pos_rad, strict=True)),
            GRIPPER: state.gripper_m,
            **state.other,
        }


class Arm(Protocol):
    """One arm. `command` and `stop` may be called from different threads."""

    @property
    def features(self) -> ArmFeatures: ...
    def connect(self) -> None: ...
    def state(self) -> ArmState: ...
    def command(self, command: Sequence[float], duration_s: float) -> None:
        """Follow `command`, a number for each of `features.axes`, until the next one comes.

        Stand still after `duration_s` without one. A command replaces the one before it and adds
        nothing to it: what had not been moved yet is not made up for.
        """

    def stop(self) -> None:
        """Stand still here, now: the measured joints become the target."""

    def recover(self) -> None:
        """Leave a fault of the arm's own, standing still."""

    def disconnect(self) -> None: ...


@runtime_checkable
class OwnScene(Protocol):
    """An arm whose driver knows its scene: a simulated one, or a cell that sets itself up."""

    def reset_scene(self, seed: int) -> None:
        """Bring the scene to the start state of this seed, and the arm with it."""

    def success(self) -> bool | None:
        """Whether the task is done now; None where it cannot tell."""

    def scene(self) -> Scene: ...

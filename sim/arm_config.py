"""Control of the simulated arm: rates, steps, and the fields of its actions."""

from dataclasses import dataclass
from functools import cached_property

from robot_rl.types import ActionField

_TICK_S = 0.02


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """Control of the arm. Lengths in metres, angles in radians, world frame, table top at z = 0.

    The yaw of the tool is 0 where its own x points along the world's.
    """

    control_rate_hz: float = 10.0
    physics_dt_s: float = 0.005
    max_delta_m: float = 0.03
    max_delta_rad: float = 0.15
    max_gripper_delta_m: float = 0.02
    # How far the commanded tcp may run ahead of a blocked arm.
    leash_m: float = 0.04
    leash_rad: float = 0.35
    ik_damping: float = 0.02

    @cached_property
    def substeps(self) -> int:
        """Of physics in a tick of the servo."""
        return max(1, round(_TICK_S / self.physics_dt_s))

    @cached_property
    def tick_s(self) -> float:
        return self.substeps * self.physics_dt_s

    @cached_property
    def ticks(self) -> int:
        """Of the servo in a control period."""
        return round(1.0 / (self.control_rate_hz * self.tick_s))

    def action_fields(self, turns: bool, gripper: bool) -> tuple[ActionField, ...]:
        """Tool, yaw, gripper: the order in which `Arm.apply` takes them."""
        tool = [
            ActionField(
                name=f"tcp_{axis}", unit="m", kind="displacement", scale=self.max_delta_m, hold=0.0
            )
            for axis in "xyz"
        ]
        yaw = ActionField(
            name="tcp_rz", unit="rad", kind="displacement", scale=self.max_delta_rad, hold=0.0
        )
        jaw = ActionField(
            name="gripper",
            unit="m",
            kind="displacement",
            scale=-self.max_gripper_delta_m,
            hold=0.0,
        )
        return (*tool, *[yaw] * turns, *[jaw] * gripper)

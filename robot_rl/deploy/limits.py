"""What an arm may do, axis by axis. Plain Python: safety stands on it."""

import math
from dataclasses import dataclass

from robot_rl.axes import Axis, Vector
from robot_rl.errors import ConfigError

# Of a period: a message that is a little late must not make the arm stand still.
_LATE = 1.25


def acting_s(period_s: float) -> float:
    """How long a command acts where none follows, at one command a period."""
    return _LATE * period_s


@dataclass(frozen=True, kw_only=True)
class SafetyLimits:
    """Limits of each of `axes`, in its unit and per second, and of the whole arm.

    They hold per time, however fast commands come. A command acts until the next one, for
    `duration_s` at most. `action_bound` is the rate of an action of 1; `max_step` bounds how far an
    axis goes within any one `period_s`; an axis without a workspace has infinite positions. Of an
    axis that is told levels, rates are those at which its level changes.
    A joint within `joint_margin_rad` of its limit stops a policy; a human may creep away from it
    at `creep` times the allowed velocity. Ages are in seconds.
    """

    axes: tuple[Axis, ...]
    position_low: Vector
    position_high: Vector
    action_bound: Vector
    max_step: Vector
    max_velocity: Vector
    max_acceleration: Vector
    period_s: float
    joint_low_rad: Vector = ()
    joint_high_rad: Vector = ()
    joint_margin_rad: float = 0.05
    max_force_n: float = math.inf
    max_command_age_s: float = 0.15
    max_state_age_s: float = 0.15
    clock_tolerance_s: float = 0.05
    creep: float = 0.2

    def __post_init__(self) -> None:
        axes = len(self.axes)
        for name in (
            "position_low",
            "position_high",
            "action_bound",
            "max_step",
            "max_velocity",
            "max_acceleration",
        ):
            if len(getattr(self, name)) != axes:
                raise ConfigError(
                    f"safety limit {name} has {len(getattr(self, name))} numbers; it needs one for "
                    f"each of {', '.join(axis.name for axis in self.axes)}."
                )
        if not all(a < b for a, b in zip(self.position_low, self.position_high, strict=True)):
            raise ConfigError("safety limits: position_low must lie below position_high.")
        positive = (
            *self.action_bound,
            *self.max_step,
            *self.max_velocity,
            *self.max_acceleration,
            self.period_s,
        )
        if not all(x > 0 and math.isfinite(x) for x in positive):
            raise ConfigError("safety limits: bounds, steps, velocities and period are above 0.")
        if len(self.joint_low_rad) != len(self.joint_high_rad):
            raise ConfigError("safety limits: joint_low_rad and joint_high_rad differ in length.")

    @property
    def duration_s(self) -> float:
        """How long a command acts where none follows."""
        return acting_s(self.period_s)

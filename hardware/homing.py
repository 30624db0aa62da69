"""Moving an arm to where its episodes start, through the same limits as everything else."""

import time
from collections.abc import Mapping, Sequence

from hardware.guarded_arm import GuardedArm
from robot_rl.axes import Axis, Vector, hold_command
from robot_rl.deploy.safety import SafetyFilter
from robot_rl.deploy.verdicts import Command, Now
from robot_rl.errors import ConfigError, HardwareError

_TIMEOUT_S = 30.0
_GAIN = 0.5  # of the way, per period
_ARRIVED = 0.1  # periods at full speed


class Homing:
    """Drives the axes of `home` (positions by name) there at half their allowed speed."""

    def __init__(
        self, arm: GuardedArm, safety: SafetyFilter, home: Mapping[str, float], period_s: float
    ) -> None:
        self._arm, self._safety, self._home = arm, safety, dict(home)
        self._period_s = period_s

    def __call__(self, seed: int) -> None:
        """Raises `HardwareError` where the arm does not arrive or is stopped on its way."""
        if not self._home:
            return
        axes = self._arm.arm.features.axes
        _require_known(self._home, axes)
        ends_s = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < ends_s:
            if not self._step(axes):
                self._arm.command(None, self._period_s)
                return
            time.sleep(self._period_s)
        raise HardwareError(
            f"the arm did not reach its home ({self._home}) within {_TIMEOUT_S:.0f} s. Is it "
            "blocked, or robot.home outside robot.safety.axes?"
        )

    def _step(self, axes: Sequence[Axis]) -> bool:
        """Command one period of the way; False once every axis is there."""
        arm, limits = self._arm, self._safety.limits
        reading = arm.arm.features.reading(arm.arm.state())
        command = list(hold_command(axes, reading.position))
        far = False
        for place, axis in enumerate(axes):
            if axis.name not in self._home:
                continue
            error = self._home[axis.name] - reading.position[place]
            top = limits.max_velocity[place] * self._period_s
            far |= abs(error) > _ARRIVED * top
            step = min(max(_GAIN * error, -0.5 * top), 0.5 * top)
            by_rate = axis.by == "rate"
            command[place] = step / self._period_s if by_rate else reading.position[place] + step
        return far and self._command(tuple(command))

    def _command(self, wish: Vector) -> bool:
        now = Now.read()
        reading = self._arm.arm.features.reading(self._arm.arm.state())
        command = Command(values=wish, source="nobody", stamp_s=now.system_s)
        verdict = self._safety.apply(command, reading, now)
        latched = self._safety.latch.reasons
        told = None if verdict.hold else verdict.applied
        if latched or not self._arm.command(told, self._safety.limits.duration_s):
            why = ", ".join(map(str, latched)) or self._arm.reason
            raise HardwareError(f"the arm stopped on its way home: {why}.")
        return True


def _require_known(home: Mapping[str, float], axes: Sequence[Axis]) -> None:
    names = [axis.name for axis in axes]
    unknown = [name for name in home if name not in names]
    if unknown:
        raise ConfigError(f"robot.home names {', '.join(unknown)}; the arm has {', '.join(names)}.")

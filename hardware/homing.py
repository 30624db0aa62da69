"""Moving an arm to where its episodes start, through the same limits as everything else."""

import time
from collections.abc import Callable, Mapping, Sequence

from hardware.guarded_arm import GuardedArm
from robot_rl.axes import Axis, Vector, hold_command
from robot_rl.deploy.safety import SafetyFilter
from robot_rl.deploy.verdicts import Command, Now
from robot_rl.errors import ConfigError, HardwareError

_TIMEOUT_S = 30.0
_GAIN = 0.3  # of the way, per period: what is measured is up to two periods old
_ARRIVED = 0.1  # periods at full speed
_SETTLED = 3  # measurements there in a row: the first one may be on its way through


class Homing:
    """The way of `axes` to `home` (positions by name), at half of `max_velocity`."""

    def __init__(
        self,
        axes: Sequence[Axis],
        max_velocity: Sequence[float],
        home: Mapping[str, float],
        period_s: float,
    ) -> None:
        _require_known(home, axes)
        self._axes, self._home = axes, dict(home)
        self._reach = [period_s * velocity for velocity in max_velocity]  # of a period
        self._period_s = period_s

    def drive(self, position: Callable[[], Vector], send: Callable[[Vector], None]) -> None:
        """`send` commands one period each, until `position` has arrived; nothing where home is
        nowhere. Raises `HardwareError` where it does not."""
        ends_s, settled = time.monotonic() + _TIMEOUT_S, 0
        while self._home and time.monotonic() < ends_s:
            command, far = self._toward(position())
            settled = 0 if far else settled + 1
            if settled == _SETTLED:
                return
            send(command)
        if self._home:
            raise HardwareError(
                f"the arm did not reach its home ({self._home}) within {_TIMEOUT_S:.0f} s. Is it "
                "blocked, or robot.home outside robot.safety.axes?"
            )

    def _toward(self, position: Vector) -> tuple[Vector, bool]:
        """One period of the way, and whether an axis still has one."""
        command = list(hold_command(self._axes, position))
        far = False
        for place, (axis, reach) in enumerate(zip(self._axes, self._reach, strict=True)):
            error = self._home.get(axis.name, position[place]) - position[place]
            far |= abs(error) > _ARRIVED * reach
            step = min(max(_GAIN * error, -0.5 * reach), 0.5 * reach)
            if axis.name in self._home:
                by_rate = axis.by == "rate"
                command[place] = step / self._period_s if by_rate else position[place] + step
        return tuple(command), far


class GuardedHoming:
    """A reset routine that takes `arm` home."""

    def __init__(
        self, arm: GuardedArm, safety: SafetyFilter, home: Mapping[str, float], period_s: float
    ) -> None:
        self._arm, self._safety, self._home = arm, safety, home
        self._period_s = period_s

    def __call__(self, seed: int) -> None:
        """Raises `HardwareError` where the arm does not arrive or is stopped on its way."""
        axes = self._arm.arm.features.axes
        velocity = self._safety.limits.max_velocity
        homing = Homing(axes, velocity, self._home, self._period_s)
        homing.drive(self._position, self._send)
        if self._home:
            self._arm.command(None, self._period_s)

    def _position(self) -> Vector:
        return self._arm.arm.features.reading(self._arm.arm.state()).position

    def _send(self, wish: Vector) -> None:
        now = Now.read()
        reading = self._arm.arm.features.reading(self._arm.arm.state())
        command = Command(values=wish, source="nobody", stamp_s=now.system_s)
        verdict = self._safety.apply(command, reading, now)
        latched = self._safety.latch.reasons
        told = None if verdict.hold else verdict.applied
        if latched or not self._arm.command(told, self._safety.limits.duration_s):
            why = ", ".join(map(str, latched)) or self._arm.reason
            raise HardwareError(f"the arm stopped on its way home: {why}.")
        time.sleep(self._period_s)


def _require_known(home: Mapping[str, float], axes: Sequence[Axis]) -> None:
    names = [axis.name for axis in axes]
    unknown = [name for name in home if name not in names]
    if unknown:
        raise ConfigError(f"robot.home names {', '.join(unknown)}; the arm has {', '.join(names)}.")

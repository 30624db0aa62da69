"""The last thing before an arm: every command passes here, and only what is allowed comes out.

Plain Python on purpose: it runs where nothing else is installed, and can be read in one sitting.
It is a software stop and NOT a safety-rated stop: it shares a processor, a network and a power
supply with the rest. Keep the arm's own emergency stop within reach (docs/safety.md).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from robot_rl.axes import Vector
from robot_rl.errors import ConfigError


class Reason(StrEnum):
    """Why the filter acted. Those in `LATCHING` stop the arm until an explicit reset."""

    ACTION_BOUND = "action outside its bounds"
    STEP_LIMIT = "step limit"
    VELOCITY_LIMIT = "velocity limit"
    ACCELERATION_LIMIT = "acceleration limit"
    WORKSPACE = "workspace box"
    JOINT_LIMIT = "joint near its limit"
    FORCE_LIMIT = "force limit"
    NOT_FINITE = "not a finite number"
    MALFORMED = "wrong number of axes"
    STALE_COMMAND = "stale command"
    STALE_STATE = "stale arm state"
    STALE_OBSERVATION = "stale observation"
    CAMERA_FROZEN = "camera frozen"
    CAMERA_BLANK = "camera blank"
    CAMERA_MALFORMED = "camera picture cannot be read"
    POLICY_SILENT = "policy fell silent in motion"
    OPERATOR_LOST = "operator lost with the dead-man held"
    TWO_PUBLISHERS = "two publishers on one command topic"
    CLOCK_JUMP = "clock jumped"
    TRIGGERED = "stop was triggered"
    NOT_ARMED = "not armed yet"
    NOT_ACTIVATED = "policy not activated since the reset"


LATCHING = frozenset(Reason) - {
    Reason.ACTION_BOUND,
    Reason.STEP_LIMIT,
    Reason.VELOCITY_LIMIT,
    Reason.ACCELERATION_LIMIT,
    Reason.WORKSPACE,
    Reason.STALE_COMMAND,
    Reason.NOT_ACTIVATED,
}


@dataclass(frozen=True, kw_only=True)
class SafetyLimits:
    """Limits per axis (tcp x, y, z in m; gripper opening in m), and of the whole arm.

    `action_bound` is the velocity of an action of 1. `period_s` is how long a command acts.
    A joint within `joint_margin_rad` of its limit stops a policy; a human may creep away from it
    at `creep` times the allowed velocity. Ages are in seconds.
    """

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
        axes = len(self.position_low)
        for name in (
            "position_high",
            "action_bound",
            "max_step",
            "max_velocity",
            "max_acceleration",
        ):
            if len(getattr(self, name)) != axes:
                raise ConfigError(f"safety limit {name} needs {axes} numbers, one per axis.")
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


@dataclass(frozen=True, kw_only=True)
class Command:
    """A wanted velocity per axis, when it was made and by whom. Stamps are system time."""

    velocity: Vector
    source: str
    stamp_s: float


@dataclass(frozen=True, kw_only=True)
class ArmReading:
    """What the filter knows of the arm: axis positions; tool, joints, force where reported."""

    position: Vector
    stamp_s: float
    tcp_pos_m: Vector = ()
    joints_rad: Vector = ()
    force_n: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was asked and what may be applied. `hold` is true where nothing may move."""

    source: str
    requested: Vector
    applied: Vector
    reasons: tuple[Reason, ...] = ()

    @property
    def hold(self) -> bool:
        return not any(self.applied)


@dataclass
class StopLatch:
    """The emergency stop. Only `reset` clears it; it starts closed, for nothing arms itself."""

    reasons: list[Reason] = field(default_factory=lambda: [Reason.NOT_ARMED])

    @property
    def latched(self) -> bool:
        return bool(self.reasons)

    def latch(self, reason: Reason) -> None:
        if reason not in self.reasons:
            self.reasons.append(reason)

    def holds(self, source: str) -> bool:
        """Whether `source` may not move. A human may creep away from a joint's limit."""
        return self.latched and not (source == "human" and self.reasons == [Reason.JOINT_LIMIT])

    def reset(self) -> None:
        self.reasons.clear()


class SafetyFilter:
    """Checks and limits one command at a time. `counts` has every act of it, by reason."""

    def __init__(self, limits: SafetyLimits, latch: StopLatch | None = None) -> None:
        self.limits = limits
        self.latch = latch or StopLatch()
        self.counts: Counter[Reason] = Counter()
        self._still = (0.0,) * len(limits.position_low)
        self._last = self._still

    def apply(self, command: Command, reading: ArmReading, now_s: float) -> Verdict:
        """The part of `command` that is allowed now; zeros where nothing is."""
        stops = list(self._stops(command, reading, now_s))
        for reason in stops:
            if reason in LATCHING:
                self.latch.latch(reason)
        if stops or self.latch.holds(command.source):
            return self._hold(command, stops)
        velocity, reasons = self._limited(command.velocity, reading, command.source)
        return self._verdict(command, velocity, reasons)

    def lasting(
        self, reading: ArmReading, now_s: float, command: Command | None = None
    ) -> list[Reason]:
        """What latches now, whoever commands; with `command`, what that one would add."""
        asked = command or Command(velocity=self._still, source="policy", stamp_s=now_s)
        return [r for r in self._stops(asked, reading, now_s) if r in LATCHING]

    def refuse(self, command: Command, reason: Reason) -> Verdict:
        """A hold for what was seen outside, without a latch."""
        return self._hold(command, [reason])

    def stop(self, reason: Reason) -> None:
        """Latch for something seen outside: a lost camera, a trigger, a second publisher."""
        if reason not in self.latch.reasons:
            self.counts[reason] += 1
        self.latch.latch(reason)
        self._last = self._still

    # ------------------------------------------------------------------- stops

    def _stops(self, command: Command, reading: ArmReading, now_s: float) -> Iterable[Reason]:
        limits = self.limits
        if len(command.velocity) != len(self._still) or len(reading.position) != len(self._still):
            yield Reason.MALFORMED
            return
        numbers = (
            *command.velocity,
            *reading.position,
            *reading.joints_rad,
            reading.force_n,
            command.stamp_s,
            reading.stamp_s,
            now_s,
        )
        if not all(map(math.isfinite, numbers)):
            yield Reason.NOT_FINITE
            return
        if now_s - command.stamp_s > limits.max_command_age_s:
            yield Reason.STALE_COMMAND
        if now_s - reading.stamp_s > limits.max_state_age_s:
            yield Reason.STALE_STATE
        if max(command.stamp_s, reading.stamp_s) - now_s > limits.clock_tolerance_s:
            yield Reason.CLOCK_JUMP
        if abs(reading.force_n) > limits.max_force_n:
            yield Reason.FORCE_LIMIT
        if command.source != "human" and self._near_joint_limit(reading.joints_rad):
            yield Reason.JOINT_LIMIT

    def _near_joint_limit(self, joints_rad: Sequence[float]) -> bool:
        limits = self.limits
        if not limits.joint_low_rad:
            return False
        if len(joints_rad) != len(limits.joint_low_rad):
            return True
        margin = limits.joint_margin_rad
        return not all(
            low + margin <= joint <= high - margin
            for joint, low, high in zip(
                joints_rad, limits.joint_low_rad, limits.joint_high_rad, strict=True
            )
        )

    def _hold(self, command: Command, stops: Sequence[Reason]) -> Verdict:
        self.counts.update(stops)
        self._last = self._still
        requested = tuple(command.velocity)
        reasons = tuple(dict.fromkeys((*stops, *self.latch.reasons)))
        return Verdict(
            source=command.source, requested=requested, applied=self._still, reasons=reasons
        )

    # ------------------------------------------------------------------ limits

    def _limited(
        self, velocity: Vector, reading: ArmReading, source: str
    ) -> tuple[Vector, list[Reason]]:
        """Each limit in turn. The box comes last: it only ever moves a velocity towards zero.

        The last command may not have been carried out yet, so its displacement counts as done.
        """
        limits, period_s = self.limits, self.limits.period_s
        creeping = source == "human" and (
            self.latch.latched or self._near_joint_limit(reading.joints_rad)
        )
        scale = limits.creep if creeping else 1.0
        steps = tuple(scale * step / period_s for step in limits.max_step)
        top = tuple(scale * v for v in limits.max_velocity)
        gain = [a * period_s for a in limits.max_acceleration]
        last = self._last
        bounds: list[tuple[Reason, Vector, Vector]] = [
            (Reason.ACTION_BOUND, _minus(limits.action_bound), limits.action_bound),
            (Reason.STEP_LIMIT, _minus(steps), steps),
            (Reason.VELOCITY_LIMIT, _minus(top), top),
            (
                Reason.ACCELERATION_LIMIT,
                tuple(min(0.0, v - g) for v, g in zip(last, gain, strict=True)),
                tuple(max(0.0, v + g) for v, g in zip(last, gain, strict=True)),
            ),
            (
                Reason.WORKSPACE,
                tuple(
                    min(0.0, (low - min(x, x + v * period_s)) / period_s)
                    for low, x, v in zip(limits.position_low, reading.position, last, strict=True)
                ),
                tuple(
                    max(0.0, (high - max(x, x + v * period_s)) / period_s)
                    for high, x, v in zip(limits.position_high, reading.position, last, strict=True)
                ),
            ),
        ]
        reasons = [Reason.JOINT_LIMIT] if creeping else []
        for reason, low, high in bounds:
            bounded = _clip(velocity, low, high)
            # Rounding in units on the wire is not an act of the filter.
            if any(abs(a - b) > 1e-9 for a, b in zip(bounded, velocity, strict=True)):
                reasons.append(reason)
            velocity = bounded
        return velocity, reasons

    def _verdict(self, command: Command, velocity: Vector, reasons: list[Reason]) -> Verdict:
        self.counts.update(reasons)
        self._last = velocity
        return Verdict(
            source=command.source,
            requested=tuple(command.velocity),
            applied=velocity,
            reasons=tuple(reasons),
        )


def _minus(values: Vector) -> Vector:
    return tuple(-value for value in values)


def _clip(values: Vector, low: Vector, high: Vector) -> Vector:
    return tuple(min(max(v, a), b) for v, a, b in zip(values, low, high, strict=True))

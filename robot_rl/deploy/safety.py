"""The last thing before an arm: every command passes here, and only what is allowed comes out.

Plain Python on purpose: it runs where nothing else is installed, and can be read in one sitting.
It is a software stop and NOT a safety-rated stop: it shares a processor, a network and a power
supply with the rest. Keep the arm's own emergency stop within reach (docs/safety.md).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from robot_rl.axes import Vector, hold_command, moves
from robot_rl.deploy.limits import SafetyLimits
from robot_rl.deploy.motion import Motion
from robot_rl.deploy.verdicts import LATCHING, ArmReading, Command, Now, Reason, Verdict


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
        self._motion = Motion(
            limits.max_acceleration,
            limits.period_s,
            limits.duration_s,
            memory_s=limits.max_state_age_s + limits.period_s + limits.duration_s,
        )
        self._levels: Vector | None = None  # last told, None where the arm holds
        self._levels_s = -math.inf

    def apply(self, command: Command, reading: ArmReading, now: Now) -> Verdict:
        """The part of `command` that is allowed now; a hold where nothing is."""
        stops = list(self._stops(command, reading, now.system_s))
        for reason in stops:
            if reason in LATCHING:
                self.latch.latch(reason)
        if stops or self.latch.holds(command.source):
            return self._refused(command, reading, now, stops)
        if command.values is None or not moves(self.limits.axes, command.values):
            return self.hold(command.source, reading, now)
        return self._limited(command.source, command.values, reading, now)

    def refuse(self, command: Command, reading: ArmReading, now: Now, reason: Reason) -> Verdict:
        """A hold for what was seen outside, without a latch."""
        return self._refused(command, reading, now, [reason])

    def hold(
        self,
        source: str,
        reading: ArmReading | None,
        now: Now,
        requested: Vector | None = None,
        reasons: tuple[Reason, ...] = (),
    ) -> Verdict:
        """The arm is told to stand still, wherever it is."""
        self._levels = None
        self._motion.tell((0.0,) * len(self.limits.axes), now.mono_s)
        position = reading.position if reading else ()
        whole = len(position) == len(self.limits.axes)
        still = hold_command(
            self.limits.axes, position if whole else (0.0,) * len(self.limits.axes)
        )
        return Verdict(
            source=source, requested=requested or still, applied=still, hold=True, reasons=reasons
        )

    def lasting(
        self, reading: ArmReading, now_s: float, command: Command | None = None
    ) -> list[Reason]:
        """What latches now, whoever commands; with `command`, what that one would add."""
        asked = command or Command(values=None, source="policy", stamp_s=now_s)
        return [r for r in self._stops(asked, reading, now_s) if r in LATCHING]

    def stop(self, reason: Reason) -> None:
        """Latch for something seen outside: a lost camera, a trigger, a second publisher."""
        if reason not in self.latch.reasons:
            self.counts[reason] += 1
        self.latch.latch(reason)

    # ------------------------------------------------------------------- stops

    def _stops(self, command: Command, reading: ArmReading, now_s: float) -> Iterable[Reason]:
        limits = self.limits
        values = reading.position if command.values is None else command.values
        if not len(values) == len(reading.position) == len(limits.axes):
            yield Reason.MALFORMED
            return
        numbers = (
            *values,
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

    def _refused(
        self, command: Command, reading: ArmReading, now: Now, reasons: Sequence[Reason]
    ) -> Verdict:
        self.counts.update(reasons)
        told = tuple(dict.fromkeys((*reasons, *self.latch.reasons)))
        return self.hold(command.source, reading, now, command.values, told)

    # ------------------------------------------------------------------ limits

    def _limited(self, source: str, values: Vector, reading: ArmReading, now: Now) -> Verdict:
        """Each limit in turn, on rates. The box comes last: it only ever slows down."""
        creeping = source == "human" and (
            self.latch.latched or self._near_joint_limit(reading.joints_rad)
        )
        base, span_s = self._base(reading, now.mono_s)
        rates = self._rates(values, base, span_s)
        reasons = [Reason.JOINT_LIMIT] if creeping else []
        scale = self.limits.creep if creeping else 1.0
        for reason, low, high in self._bounds(scale, base, span_s, reading, now):
            bounded = _clip(rates, low, high)
            # Rounding in units on the wire is not an act of the filter.
            if any(abs(a - b) > 1e-9 for a, b in zip(bounded, rates, strict=True)):
                reasons.append(reason)
            rates = bounded
        applied = self._applied(rates, base, span_s)
        self.counts.update(reasons)
        self._motion.tell(rates, now.mono_s)
        self._levels, self._levels_s = applied, now.mono_s
        # Rates that were all brought to zero hold; a level is never nothing.
        return Verdict(
            source=source,
            requested=tuple(values),
            applied=applied,
            hold=not moves(self.limits.axes, applied),
            reasons=tuple(reasons),
        )

    def _bounds(
        self, scale: float, base: Vector, span_s: float, reading: ArmReading, now: Now
    ) -> Iterator[tuple[Reason, Vector, Vector]]:
        """Lowest and highest rates under each limit."""
        limits = self.limits
        steps = tuple(scale * step / limits.period_s for step in limits.max_step)
        top = tuple(scale * rate for rate in limits.max_velocity)
        yield Reason.ACTION_BOUND, _minus(limits.action_bound), limits.action_bound
        yield Reason.STEP_LIMIT, _minus(steps), steps
        yield Reason.VELOCITY_LIMIT, _minus(top), top
        last, credit = self._motion.rates(now.mono_s), self._motion.credit(now.mono_s)
        yield (
            Reason.ACCELERATION_LIMIT,
            tuple(min(0.0, rate - c) for rate, c in zip(last, credit, strict=True)),
            tuple(max(0.0, rate + c) for rate, c in zip(last, credit, strict=True)),
        )
        back, forth, reach_s = self._reach(base, span_s, reading, now)
        rows = zip(limits.position_low, back, reach_s, strict=True)
        low = tuple(min(0.0, (edge - at) / s) for edge, at, s in rows)
        rows = zip(limits.position_high, forth, reach_s, strict=True)
        yield Reason.WORKSPACE, low, tuple(max(0.0, (edge - at) / s) for edge, at, s in rows)

    def _reach(
        self, base: Vector, span_s: float, reading: ArmReading, now: Now
    ) -> tuple[Vector, Vector, Vector]:
        """Where each axis may be at the lowest and at the highest, and how long a rate acts there.

        What was told since the reading, and in the period before it, may not show in it yet. A
        level is there at once.
        """
        age_s = max(0.0, now.system_s - reading.stamp_s)
        start_s = now.mono_s - age_s - self.limits.period_s
        back, forth = self._motion.since(start_s, now.mono_s)
        rows = list(zip(self.limits.axes, reading.position, base, back, forth, strict=True))
        return (
            tuple(at + b if axis.by == "rate" else level for axis, at, level, b, _ in rows),
            tuple(at + f if axis.by == "rate" else level for axis, at, level, _, f in rows),
            tuple(
                self.limits.duration_s if axis.by == "rate" else span_s or math.inf
                for axis in self.limits.axes
            ),
        )

    # ------------------------------------------------------------------ levels

    def _base(self, reading: ArmReading, mono_s: float) -> tuple[Vector, float]:
        """The level from which each axis goes on, and how long it has stood there (a period)."""
        told_s = mono_s - self._levels_s
        follows = self._levels is not None and told_s <= self.limits.duration_s
        base = self._levels if follows and self._levels is not None else reading.position
        return base, min(told_s, self.limits.period_s)

    def _rates(self, values: Vector, base: Vector, span_s: float) -> Vector:
        """The rates that `values` ask for. A level asks for the rate that gets there in time."""
        rows = zip(self.limits.axes, values, base, strict=True)
        return tuple(
            value if axis.by == "rate" else (value - level) / span_s if span_s else 0.0
            for axis, value, level in rows
        )

    def _applied(self, rates: Vector, base: Vector, span_s: float) -> Vector:
        rows = zip(self.limits.axes, rates, base, strict=True)
        return tuple(
            rate if axis.by == "rate" else level + rate * span_s for axis, rate, level in rows
        )


def _minus(values: Vector) -> Vector:
    return tuple(-value for value in values)


def _clip(values: Vector, low: Vector, high: Vector) -> Vector:
    return tuple(min(max(v, a), b) for v, a, b in zip(values, low, high, strict=True))

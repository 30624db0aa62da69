"""Whatever comes in, no command outside the limits comes out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.deploy.safety import (
    LATCHING,
    ArmReading,
    Command,
    Reason,
    SafetyFilter,
    SafetyLimits,
    StopLatch,
)
from robot_rl.errors import ConfigError

LIMITS = SafetyLimits(
    position_low=(0.2, -0.2, 0.0, 0.0),
    position_high=(0.5, 0.2, 0.3, 0.04),
    action_bound=(0.3, 0.3, 0.3, 0.2),
    max_step=(0.03, 0.03, 0.03, 0.02),
    max_velocity=(0.25, 0.25, 0.25, 0.2),
    max_acceleration=(2.0, 2.0, 2.0, 4.0),
    period_s=0.1,
    joint_low_rad=(-2.0, -1.0),
    joint_high_rad=(2.0, 1.0),
    max_force_n=30.0,
)
MIDDLE = ArmReading(position=(0.35, 0.0, 0.15, 0.02), stamp_s=100.0, joints_rad=(0.0, 0.0))
ANY = st.floats(allow_nan=True, allow_infinity=True)
NEAR = st.floats(-0.6, 0.8)


def armed(limits: SafetyLimits = LIMITS) -> SafetyFilter:
    return SafetyFilter(limits, StopLatch([]))


def command(*velocity: float, stamp_s: float = 100.0, source: str = "policy") -> Command:
    return Command(velocity=velocity, source=source, stamp_s=stamp_s)


def within(velocity, last, reading) -> bool:
    limits = LIMITS
    for i, v in enumerate(velocity):
        top = min(
            limits.action_bound[i], limits.max_velocity[i], limits.max_step[i] / limits.period_s
        )
        gain = limits.max_acceleration[i] * limits.period_s
        under_way = last[i] * limits.period_s
        low, high = (pick(0.0, under_way) + v * limits.period_s for pick in (min, max))
        outward = (v > 0 and reading.position[i] + high > limits.position_high[i] + 1e-9) or (
            v < 0 and reading.position[i] + low < limits.position_low[i] - 1e-9
        )
        speeding_up = abs(v) > 1e-12 and not (last[i] - gain - 1e-9 <= v <= last[i] + gain + 1e-9)
        if not math.isfinite(v) or abs(v) > top + 1e-9 or outward or speeding_up:
            return False
    return True


@given(
    st.lists(
        st.tuples(
            st.lists(ANY | NEAR, min_size=3, max_size=5),
            st.lists(ANY | NEAR, min_size=3, max_size=5),
            st.lists(ANY | st.floats(-2.2, 2.2), min_size=1, max_size=3),
            ANY | st.just(0.0),
            st.sampled_from(("policy", "human")),
            st.floats(99.0, 101.0) | ANY,
        ),
        min_size=1,
        max_size=12,
    )
)
def test_nothing_outside_the_limits_comes_out(steps):
    safety = armed()
    last = (0.0,) * 4
    for velocity, position, joints, force, source, stamp_s in steps:
        reading = ArmReading(
            position=tuple(position), stamp_s=100.0, joints_rad=tuple(joints), force_n=force
        )
        was_latched = safety.latch.latched
        verdict = safety.apply(
            command(*velocity, stamp_s=stamp_s, source=source), reading, now_s=100.0
        )
        assert len(verdict.applied) == 4
        assert all(math.isfinite(v) for v in verdict.applied)
        if verdict.hold:
            last = (0.0,) * 4
            continue
        assert not was_latched
        assert within(verdict.applied, last, reading)
        last = verdict.applied


def test_an_allowed_command_passes_unchanged():
    verdict = armed().apply(command(0.1, -0.2, 0.05, 0.1), MIDDLE, 100.0)
    assert verdict.applied == (0.1, -0.2, 0.05, 0.1)
    assert verdict.reasons == ()


@pytest.mark.parametrize(
    ("velocity", "applied", "reason"),
    [
        ((0.31, 0, 0, 0), 0.2, Reason.ACTION_BOUND),
        ((0.28, 0, 0, 0), 0.2, Reason.VELOCITY_LIMIT),
        ((0.21, 0, 0, 0), 0.2, Reason.ACCELERATION_LIMIT),
    ],
)
def test_each_limit_is_counted_with_its_reason(velocity, applied, reason):
    safety = armed()
    verdict = safety.apply(command(*velocity), MIDDLE, 100.0)
    assert verdict.requested == velocity
    assert verdict.applied[0] == pytest.approx(applied)
    assert reason in verdict.reasons
    assert safety.counts[reason] == 1


def test_the_box_slows_the_last_step_and_lets_the_arm_back_in():
    safety = armed()
    at_edge = ArmReading(position=(0.49, 0.0, 0.31, 0.02), stamp_s=100.0, joints_rad=(0, 0))
    verdict = safety.apply(command(0.2, 0.0, 0.1, 0.0), at_edge, 100.0)
    assert verdict.applied == pytest.approx((0.1, 0, 0, 0))
    assert verdict.reasons == (Reason.WORKSPACE,)
    back = safety.apply(command(0.0, 0.0, -0.1, 0.0), at_edge, 100.0)
    assert back.applied == pytest.approx((0, 0, -0.1, 0))


def test_speeding_up_takes_time_and_stopping_none():
    safety = armed()
    speeds = [safety.apply(command(0.25, 0, 0, 0), MIDDLE, 100.0).applied[0] for _ in range(3)]
    assert speeds == pytest.approx([0.2, 0.25, 0.25])
    assert safety.apply(command(0, 0, 0, 0), MIDDLE, 100.0).applied[0] == 0.0


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"velocity": (math.nan, 0, 0, 0)}, Reason.NOT_FINITE),
        ({"velocity": (0.1, 0, 0)}, Reason.MALFORMED),
        ({"stamp_s": 100.2}, Reason.CLOCK_JUMP),
        ({"force_n": 31.0}, Reason.FORCE_LIMIT),
        ({"joints_rad": (0.0, 0.96)}, Reason.JOINT_LIMIT),
        ({"state_stamp_s": 99.8}, Reason.STALE_STATE),
    ],
)
def test_what_latches_stays_latched_until_reset(what, reason):
    safety = armed()
    bad = command(*what.get("velocity", (0.1, 0, 0, 0)), stamp_s=what.get("stamp_s", 100.0))
    reading = ArmReading(
        position=MIDDLE.position,
        stamp_s=what.get("state_stamp_s", 100.0),
        joints_rad=what.get("joints_rad", (0, 0)),
        force_n=what.get("force_n", 0.0),
    )
    assert safety.apply(bad, reading, 100.0).hold
    assert safety.counts[reason] == 1
    after = safety.apply(command(0.1, 0, 0, 0), MIDDLE, 100.0)
    assert after.hold
    assert reason in after.reasons
    safety.latch.reset()
    assert safety.apply(command(0.1, 0, 0, 0), MIDDLE, 100.0).applied[0] == 0.1


def test_a_stale_command_holds_without_a_latch():
    safety = armed()
    assert safety.apply(command(0.1, 0, 0, 0, stamp_s=99.8), MIDDLE, 100.0).hold
    assert not safety.latch.latched


def test_a_human_creeps_out_of_a_joint_limit_where_a_policy_stops():
    reading = ArmReading(position=MIDDLE.position, stamp_s=100.0, joints_rad=(1.97, 0.0))
    verdict = armed().apply(command(0.25, 0, 0, 0, source="human"), reading, 100.0)
    assert verdict.applied[0] == pytest.approx(0.05)
    assert Reason.JOINT_LIMIT in verdict.reasons


def test_nothing_is_armed_at_the_start():
    safety = SafetyFilter(LIMITS)
    verdict = safety.apply(command(0.1, 0, 0, 0), MIDDLE, 100.0)
    assert verdict.hold
    assert verdict.reasons == (Reason.NOT_ARMED,)


def test_limits_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="max_step needs 4 numbers"):
        SafetyLimits(**{**LIMITS.__dict__, "max_step": (1.0,)})
    with pytest.raises(ConfigError, match="position_low must lie below"):
        SafetyLimits(**{**LIMITS.__dict__, "position_high": (0.1, 0.2, 0.3, 0.4)})


def test_limiting_reasons_do_not_latch():
    assert Reason.WORKSPACE not in LATCHING
    assert Reason.TRIGGERED in LATCHING

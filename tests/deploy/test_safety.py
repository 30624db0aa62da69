"""Whatever comes in, no command outside the limits comes out."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.axes import GRIPPER, TCP_LINEAR, Axis
from robot_rl.deploy.limits import SafetyLimits
from robot_rl.deploy.safety import SafetyFilter, StopLatch
from robot_rl.deploy.verdicts import LATCHING, ArmReading, Command, Now, Reason
from robot_rl.errors import ConfigError

NOW = Now(100.0, 50.0)
LIMITS = SafetyLimits(
    axes=tuple(Axis(name=name, unit="m") for name in (*TCP_LINEAR, GRIPPER)),
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
    return Command(values=velocity, source=source, stamp_s=stamp_s)


def within(rates, last, reading) -> bool:
    """Whether they keep every limit where they follow `last` at once, in the same instant."""
    limits = LIMITS
    for i, rate in enumerate(rates):
        top = min(
            limits.action_bound[i], limits.max_velocity[i], limits.max_step[i] / limits.period_s
        )
        outward = (
            rate > 0
            and reading.position[i] + rate * limits.duration_s > limits.position_high[i] + 1e-9
        ) or (
            rate < 0
            and reading.position[i] + rate * limits.duration_s < limits.position_low[i] - 1e-9
        )
        gain = limits.max_acceleration[i] * limits.period_s
        speeding_up = abs(rate) > 1e-12 and abs(rate - last[i]) > gain + 1e-9
        if not math.isfinite(rate) or abs(rate) > top + 1e-9 or outward or speeding_up:
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
        verdict = safety.apply(command(*velocity, stamp_s=stamp_s, source=source), reading, NOW)
        assert len(verdict.applied) == 4
        assert all(math.isfinite(v) for v in verdict.applied)
        if verdict.hold:
            last = (0.0,) * 4
            continue
        assert not was_latched
        assert within(verdict.applied, last, reading)
        last = verdict.applied


def test_an_allowed_command_passes_unchanged():
    verdict = armed().apply(command(0.1, -0.2, 0.05, 0.1), MIDDLE, NOW)
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
    verdict = safety.apply(command(*velocity), MIDDLE, NOW)
    assert verdict.requested == velocity
    assert verdict.applied[0] == pytest.approx(applied)
    assert reason in verdict.reasons
    assert safety.counts[reason] == 1


def test_the_box_slows_the_last_step_and_lets_the_arm_back_in():
    safety = armed()
    at_edge = ArmReading(position=(0.49, 0.0, 0.31, 0.02), stamp_s=100.0, joints_rad=(0, 0))
    verdict = safety.apply(command(0.2, 0.0, 0.1, 0.0), at_edge, NOW)
    # 1 cm in the 0.125 s for which a command acts.
    assert verdict.applied == pytest.approx((0.08, 0, 0, 0))
    assert verdict.reasons == (Reason.WORKSPACE,)
    back = safety.apply(command(0.0, 0.0, -0.1, 0.0), at_edge, NOW)
    assert back.applied == pytest.approx((0, 0, -0.1, 0))


def at(seconds: float) -> Now:
    return Now(100.0 + seconds, 50.0 + seconds)


def test_speeding_up_takes_time_and_stopping_none():
    safety = armed()
    told = [(0.0, 0.25), (0.01, 0.25), (0.02, 0.25), (0.03, 0.0), (0.04, -0.25)]
    speeds = [safety.apply(command(v, 0, 0, 0), MIDDLE, at(t)).applied[0] for t, v in told]
    # 2 m/s^2: a credit of 0.2 m/s that is spent at once and comes back by 0.02 in 10 ms.
    assert speeds == pytest.approx([0.2, 0.22, 0.24, 0.0, -0.04])


@pytest.mark.parametrize(
    ("told", "back"),
    [
        ([0.2, 0.2, 0.2], 0.0),  # a reversal counts in full: the credit of 0.2 m/s gets to a stop
        ([0.2, 0.0, 0.0], -0.2),
    ],
)
def test_rest_and_steady_motion_give_the_whole_credit_back(told, back):
    safety = armed()
    for i, v in enumerate((*told, -0.2)):
        t = 100.0 + 0.1 * i
        reading = dataclasses.replace(MIDDLE, stamp_s=t)
        verdict = safety.apply(command(v, 0, 0, 0, stamp_s=t), reading, Now(t, t))
    assert verdict.applied[0] == pytest.approx(back)


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
    assert safety.apply(bad, reading, NOW).hold
    assert safety.counts[reason] == 1
    after = safety.apply(command(0.1, 0, 0, 0), MIDDLE, NOW)
    assert after.hold
    assert reason in after.reasons
    safety.latch.reset()
    assert safety.apply(command(0.1, 0, 0, 0), MIDDLE, NOW).applied[0] == 0.1


def test_a_stale_command_holds_without_a_latch():
    safety = armed()
    assert safety.apply(command(0.1, 0, 0, 0, stamp_s=99.8), MIDDLE, NOW).hold
    assert not safety.latch.latched


def test_a_human_creeps_out_of_a_joint_limit_where_a_policy_stops():
    reading = ArmReading(position=MIDDLE.position, stamp_s=100.0, joints_rad=(1.97, 0.0))
    verdict = armed().apply(command(0.25, 0, 0, 0, source="human"), reading, NOW)
    assert verdict.applied[0] == pytest.approx(0.05)
    assert Reason.JOINT_LIMIT in verdict.reasons


def test_nothing_is_armed_at_the_start():
    safety = SafetyFilter(LIMITS)
    verdict = safety.apply(command(0.1, 0, 0, 0), MIDDLE, NOW)
    assert verdict.hold
    assert verdict.reasons == (Reason.NOT_ARMED,)


def test_limits_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"max_step has 1 numbers; .* tcp_x, tcp_y"):
        SafetyLimits(**{**LIMITS.__dict__, "max_step": (1.0,)})
    with pytest.raises(ConfigError, match="position_low must lie below"):
        SafetyLimits(**{**LIMITS.__dict__, "position_high": (0.1, 0.2, 0.3, 0.4)})


def test_limiting_reasons_do_not_latch():
    assert Reason.WORKSPACE not in LATCHING
    assert Reason.TRIGGERED in LATCHING

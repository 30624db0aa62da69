"""Whatever the timing of the messages, what the arm does keeps the limits: per time, in every axis.

The arm of these tests does exactly as it is told: a rate acts until the next command or until
its end, a level is there at once.
"""

import dataclasses
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.axes import Axis, moves
from robot_rl.deploy.limits import SafetyLimits
from robot_rl.deploy.safety import SafetyFilter, StopLatch
from robot_rl.deploy.verdicts import ArmReading, Command, Now, Reason

AXES = (
    Axis(name="tcp_x", unit="m"),
    Axis(name="tcp_rz", unit="rad"),
    Axis(name="thrust", unit="N", by="level", hold=5.0),
)
LIMITS = SafetyLimits(
    axes=AXES,
    position_low=(-0.05, -math.inf, 0.0),
    position_high=(0.05, math.inf, 20.0),
    action_bound=(0.3, 1.5, 200.0),
    max_step=(0.03, 0.12, 12.0),
    max_velocity=(0.25, 1.0, 100.0),
    max_acceleration=(2.0, 8.0, 1500.0),
    period_s=0.1,
    max_state_age_s=0.1,
)
# The rate that all of it allows.
TOP = (0.25, 1.0, 100.0)
LEVEL = 2


@dataclasses.dataclass
class Plant:
    """(from when, rates, until when) of what it was told, and the levels beside it."""

    told: list[tuple[float, tuple[float, ...], float]] = dataclasses.field(default_factory=list)
    levels: list[tuple[float, float]] = dataclasses.field(default_factory=lambda: [(-1e9, 5.0)])

    def tell(self, values, hold: bool, now_s: float) -> None:
        if self.told:
            begun_s, rates, end_s = self.told[-1]
            self.told[-1] = (begun_s, rates, min(end_s, now_s))
        if hold:
            self.told.append((now_s, (0.0,) * LEVEL, now_s))
            self.levels.append((now_s, 5.0))
            return
        self.told.append((now_s, tuple(values[:LEVEL]), now_s + LIMITS.duration_s))
        self.levels.append((now_s, values[LEVEL]))

    def position(self, at_s: float) -> tuple[float, ...]:
        moved = [0.0] * LEVEL
        for begun_s, rates, end_s in self.told:
            acted_s = min(end_s, at_s) - begun_s
            for place, rate in enumerate(rates):
                moved[place] += rate * max(0.0, acted_s)
        level = [value for told_s, value in self.levels if told_s <= at_s][-1]
        return (*moved, level)

    def moments(self) -> list[float]:
        return sorted({t for begun_s, _, end_s in self.told for t in (begun_s, end_s)})


WISHES = st.one_of(
    st.none(),
    st.tuples(st.floats(-1, 1), st.floats(-4, 4), st.floats(-10, 40)),
    st.sampled_from([(9.0, 9.0, 99.0), (-9.0, -9.0, -99.0), (0.3, 1.5, 20.0)]),
)
# From many messages in one instant up to long silences.
GAPS_S = st.sampled_from([0.0, 0.0005, 0.002, 0.01, 0.02, 0.1, 0.11]) | st.floats(0.0, 0.3)
STEPS = st.lists(st.tuples(GAPS_S, WISHES, st.floats(0.0, 0.1)), min_size=1, max_size=40)


def drive(steps) -> Plant:
    plant, safety, t = Plant(), SafetyFilter(LIMITS, StopLatch([])), 100.0
    for gap_s, wish, age_s in steps:
        t += gap_s
        reading = ArmReading(position=plant.position(t - age_s), stamp_s=t - age_s)
        verdict = safety.apply(
            Command(values=wish, source="policy", stamp_s=t), reading, Now(t, t - 50.0)
        )
        plant.tell(verdict.applied, verdict.hold, t)
    return plant


@settings(max_examples=400)
@given(STEPS)
def test_speed_step_and_workspace_hold_over_every_window(steps):
    plant = drive(steps)
    moments = plant.moments()
    at = [plant.position(t) for t in moments]
    for (i, begun_s), (j, end_s) in itertools.combinations(enumerate(moments), 2):
        for place in range(LEVEL):
            covered = abs(at[j][place] - at[i][place])
            assert covered <= TOP[place] * (end_s - begun_s) + 1e-9
    for x, *_ in at:
        assert LIMITS.position_low[0] - 1e-9 <= x <= LIMITS.position_high[0] + 1e-9


@settings(max_examples=400)
@given(STEPS)
def test_speeding_up_over_any_window_is_what_its_length_and_one_period_allow(steps):
    plant = drive(steps)
    edges, last, until_s = [], (0.0,) * LEVEL, -math.inf
    for begun_s, rates, end_s in plant.told:
        before = last if begun_s <= until_s else (0.0,) * LEVEL
        grown = tuple(
            0.0 if 0 <= new <= old or old <= new <= 0 else abs(new - old)
            for old, new in zip(before, rates, strict=True)
        )
        edges.append((begun_s, grown))
        last, until_s = rates, end_s
    for i, j in itertools.combinations_with_replacement(range(len(edges)), 2):
        window_s = edges[j][0] - edges[i][0]
        for place in range(LEVEL):
            grown = sum(edge[place] for _, edge in edges[i : j + 1])
            assert grown <= LIMITS.max_acceleration[place] * (window_s + LIMITS.period_s) + 1e-6


@settings(max_examples=400)
@given(STEPS)
def test_a_level_changes_per_time_and_stays_in_its_box(steps):
    """Setting out and stopping are the driver's hold, which is not a level that was let through."""
    plant = drive(steps)
    told = [plant.levels[0], *plant.levels[1:]]
    for i, j in itertools.combinations(range(1, len(told)), 2):
        if any(value == 5.0 for _, value in told[i : j + 1]):
            continue
        window_s = told[j][0] - told[i][0]
        assert abs(told[j][1] - told[i][1]) <= TOP[LEVEL] * window_s + 1e-6
    assert all(-1e-9 <= value <= 20.0 + 1e-9 for _, value in told)


@pytest.mark.parametrize("rate_hz", [10.0, 50.0, 200.0, 500.0])
def test_a_stream_of_any_rate_moves_as_fast_as_the_limit_and_no_faster(rate_hz):
    limits = dataclasses.replace(LIMITS, position_low=(-9,) * 3, position_high=(9, 9, 20))
    plant, safety = Plant(), SafetyFilter(limits, StopLatch([]))
    for i in range(round(rate_hz) + 1):
        t = 100.0 + i / rate_hz
        reading = ArmReading(position=plant.position(t), stamp_s=t)
        wish = Command(values=(0.3, 9.0, 99.0), source="policy", stamp_s=t)
        verdict = safety.apply(wish, reading, Now(t, t))
        plant.tell(verdict.applied, verdict.hold, t)
    covered = plant.position(101.0)
    # The first 0.2 m/s come at once, the last 0.05 m/s at 2 m/s^2 or with the next command.
    assert 0.25 - 0.05 * max(0.025, 1 / rate_hz) <= covered[0] <= 0.25
    assert 1.0 - 0.2 * max(0.025, 1 / rate_hz) <= covered[1] <= 1.0
    assert Reason.VELOCITY_LIMIT in safety.counts


def test_a_hold_on_a_level_axis_is_not_zero_and_a_level_is_never_a_hold():
    safety = SafetyFilter(LIMITS, StopLatch([]))
    reading = ArmReading(position=(0.0, 0.0, 6.0), stamp_s=100.0)
    now = Now(100.0, 50.0)
    held = safety.apply(Command(values=None, source="policy", stamp_s=100.0), reading, now)
    assert held.hold
    assert held.applied == (0.0, 0.0, 5.0)
    hover = safety.apply(
        Command(values=(0.0, 0.0, 6.5), source="policy", stamp_s=100.0), reading, now
    )
    assert not hover.hold
    assert hover.applied == pytest.approx((0.0, 0.0, 6.5))
    assert moves(AXES, hover.applied)

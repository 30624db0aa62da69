"""Who commands, step by step, on a device whose readings are written down."""

import numpy as np
import pytest

from robot_rl.errors import InterfaceMismatchError
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.gate import Gate, GateConfig
from tests.conftest import make_interface
from tests.interventions.served import MIXED
from tests.interventions.served import moment as moment_of

POLICY, HUMAN = np.array([0.5, 0.5], np.float32), np.array([-2.0, 0.25], np.float32)
HELD = Reading(held=True, action=HUMAN)
FREE = Reading()
LOST = Reading(lost=True)


class Script(TeleopDevice):
    def __init__(self, readings: list[Reading]) -> None:
        self.readings = iter(readings)

    def read(self, moment: Moment) -> Reading:
        return next(self.readings)


def decisions(readings: list[Reading], min_hold_s: float = 0.0, autonomous: str = "policy"):
    gate = Gate(Script(readings), GateConfig(min_hold_s=min_hold_s), make_interface(actions=2))
    gate.begin_episode()
    moment = Moment(obs={}, policy_action=POLICY, autonomous=autonomous)
    return [gate.decide(moment, 100 + t) for t in range(len(readings))]


def sources(*args, **kwargs) -> str:
    return " ".join(d.source for d in decisions(*args, **kwargs))


def test_takeover_and_hand_back_act_in_the_very_step():
    assert sources([FREE, HELD, HELD, FREE]) == "policy human human policy"


def test_the_human_action_is_bounded_and_both_wishes_are_kept():
    free, held = decisions([FREE, HELD])
    np.testing.assert_array_equal(free.action, POLICY)
    assert free.human_action is None
    np.testing.assert_array_equal(held.action, [-1.0, 0.25])
    np.testing.assert_array_equal(held.human_action, HUMAN)
    np.testing.assert_array_equal(held.policy_action, POLICY)


def test_after_a_tap_nobody_moves_until_the_minimum_hold_is_over():
    found = decisions([HELD, FREE, FREE, FREE, FREE], min_hold_s=0.3)
    assert [d.source for d in found] == ["human", "nobody", "nobody", "policy", "policy"]
    assert not found[1].action.any()


def test_a_lost_device_is_not_a_hand_back():
    assert sources([HELD, LOST, LOST, FREE]) == "human nobody nobody policy"


def test_nobody_holds_each_axis_as_its_field_says_and_where_it_stood():
    gate = Gate(Script([HELD, LOST, LOST, FREE, LOST]), GateConfig(min_hold_s=0.0), MIXED)
    gate.begin_episode()
    places = (0.5, -0.5, -0.9, 0.0, 1.5)
    _, *found = [
        gate.decide(moment_of(MIXED, {"joint/elbow": at}), step).action
        for step, at in enumerate(places)
    ]
    # The elbow is turned by -2 rad per unit around 0.5 rad; it sags, and is held where it was.
    np.testing.assert_allclose(found[0], [0.0, 0.0, 0.5, 0.2])
    np.testing.assert_allclose(found[1], [0.0, 0.0, 0.5, 0.2])
    np.testing.assert_allclose(found[2], np.full(4, 0.5))
    np.testing.assert_allclose(found[3], [0.0, 0.0, -0.5, 0.2])


def test_where_an_axis_stands_must_be_known_to_hold_it():
    gate = Gate(Script([LOST]), GateConfig(), MIXED)
    with pytest.raises(InterfaceMismatchError, match="joint/elbow is held where it stands"):
        gate.decide(moment_of(MIXED), 0)


def test_segments_are_named_by_the_step_they_begin_at():
    found = decisions([FREE, FREE, HELD, HELD, FREE])
    assert [d.segment for d in found] == [100, 100, 102, 102, 104]


def test_random_steps_stay_random():
    assert sources([FREE, HELD], autonomous="random") == "random human"


@pytest.mark.parametrize(
    ("events", "verdict"),
    [({"success"}, True), ({"failure"}, False), ({"rerecord"}, None), (set(), None)],
)
def test_the_verdict_is_what_was_said(events, verdict):
    (decision,) = decisions([Reading(events=frozenset(events))])
    assert decision.verdict is verdict

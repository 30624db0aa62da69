"""Returns-to-go by hand; random recordings are in test_transitions and test_segments."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.replay import Replay, Segments, Transitions
from robot_rl.replay.returns import discounted
from robot_rl.types import Batch, Rows
from tests.replay.reference import INTERFACE, record

NAN = float("nan")


def returns(replay: Replay) -> list[float]:
    """Of all stored steps, oldest first."""
    segment = replay.segments_at(replay.rows(), 1)
    return segment.returns_to_go[:, 0].tolist()


def test_they_end_at_a_termination_and_are_unknown_elsewhere():
    """Step n is paid n / 3: 0, 1/3, 2/3 | 4/3, 5/3 | 7/3."""
    replay = Replay(50, Segments(length=1, gamma=0.5, returns_to_go=True), INTERFACE, 1, seed=0)
    record(replay, [[("ppp", "terminated"), ("pp", "truncated"), ("p", "killed")]])
    known = [1 / 6 + 1 / 6, 1 / 3 + 1 / 3, 2 / 3]
    np.testing.assert_allclose(returns(replay), [*known, NAN, NAN, NAN], rtol=1e-6)
    assert np.isnan(replay.segments_at(replay.rows()[:1], 5).returns_to_go[0, 3:]).all()


def test_a_rewritten_reward_changes_all_that_lead_to_it_and_nothing_else():
    replay = Replay(50, Segments(length=1, gamma=0.5, returns_to_go=True), INTERFACE, 1, seed=0)
    record(replay, [[("ppp", "terminated"), ("pp", "terminated")]])
    before = returns(replay)
    replay.set_reward(Rows(np.array([0]), np.array([1])), np.array([9.0]), version=1)
    np.testing.assert_allclose(returns(replay), [4.5 + 1 / 6, 9 + 1 / 3, *before[2:]], rtol=1e-6)


def test_they_are_not_computed_unless_asked_for_and_are_scaled_like_rewards():
    plain, asked = (
        Replay(50, Transitions(returns_to_go=x, segment=2), INTERFACE, 1, 0) for x in (False, True)
    )
    for replay in (plain, asked):
        record(replay, [[("ppp", "terminated")]])
    assert plain.transitions(4).returns_to_go is None
    batch: Batch = asked.transitions(4)
    twice = batch.scaled(2.0)
    np.testing.assert_array_equal(twice.returns_to_go, 2 * batch.returns_to_go)
    np.testing.assert_array_equal(twice.reward, 2 * batch.reward)
    np.testing.assert_array_equal(twice.segment.reward, 2 * batch.segment.reward)
    np.testing.assert_array_equal(twice.action, batch.action)


@given(
    runs=st.lists(st.lists(st.floats(-9, 9), max_size=12), min_size=1, max_size=5),
    gamma=st.floats(0, 1),
)
def test_doubling_equals_the_recursion(runs, gamma):
    """Each run ends with an entry that counts for nothing."""
    reward = np.array([r for run in runs for r in [*run, 7.0]])
    to_end = np.concatenate([np.arange(len(run), -1, -1) for run in runs])
    wanted = np.zeros(len(reward))
    for t in reversed(range(len(reward))):
        if to_end[t]:
            wanted[t] = reward[t] + gamma * wanted[t + 1]
    np.testing.assert_allclose(discounted(reward, to_end, gamma), wanted, rtol=1e-9, atol=1e-9)

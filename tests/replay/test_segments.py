"""Every window drawn is checked against a plain loop over the rows that were added."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.agents.taco import last_obs
from robot_rl.errors import ConfigError
from robot_rl.replay import Replay, Segments, Transitions
from robot_rl.types import PROPRIO, Rows, Segment
from tests.replay.reference import (
    INTERFACE,
    KEY,
    Recording,
    Row,
    episodes,
    numbered_obs,
    numbers_in,
    paid,
    record,
    return_to_go,
    stack_of,
    window,
)


def new_replay(draws: Segments, capacity: int = 100, lanes: int = 1) -> Replay:
    return Replay(capacity, draws, INTERFACE, lanes, seed=0)


def check(segment: Segment, i: int, recording: Recording, draws: Segments) -> list[Row | None]:
    """Window `i` against the plain loop; its rows."""
    rows, t = recording.find(int(segment.obs[PROPRIO][i, 0, 0]))
    there = window(rows, t, draws)
    last = [row for row in there if row is not None][-1]
    seen = [(row or last).number for row in there]
    assert segment.obs[PROPRIO][i, :, 0].tolist() == seen
    before = stack_of(rows, t, draws.frame_stack)[:-1]
    assert numbers_in(segment.obs[KEY][i]) == before + seen
    begins = [row is not None and row.episode_step == 0 for row in there]
    assert segment.is_first[i].tolist() == begins
    for j, (row, after) in enumerate(itertools.pairwise(there)):
        place = (i, j)
        if row is None or row.step is None or after is None:
            assert not segment.mask[place]
            for masked in (segment.action, segment.label, segment.reward, segment.terminated):
                assert not np.any(masked[place])
            assert not segment.own[place]
            assert not segment.taught[place]
            assert segment.rows.step[place] == -1
            continue
        assert segment.mask[place] == 1.0
        assert segment.action[place] == row.step.action
        assert segment.label[place] == row.step.label
        assert segment.reward[place] == pytest.approx(paid(row, draws), rel=1e-5)
        assert segment.terminated[place] == row.step.terminated
        assert segment.own[place] == (row.step.source == "policy")
        assert segment.taught[place] == row.taught
        assert segment.rows.step[place] == row.steps
        assert rows == recording.kept(int(segment.rows.lane[place]))
        if draws.returns_to_go:
            wanted = return_to_go(rows, t + j, draws)
            assert segment.returns_to_go[place] == pytest.approx(wanted, rel=1e-5, nan_ok=True)
    return there


@st.composite
def declared(draw) -> Segments:
    cross = draw(st.booleans())
    return Segments(
        length=draw(st.integers(1, 12)),
        cross_episodes=cross,
        frame_stack=1 if cross else draw(st.integers(1, 4)),
        gamma=0.9,
        taught_fraction=draw(st.sampled_from([0.0, 0.3, 0.5])),
        reward=draw(st.sampled_from(["task", "takeover"])),
        returns_to_go=draw(st.booleans()),
    )


@settings(max_examples=80)
@given(
    lanes=st.lists(episodes, min_size=1, max_size=3),
    capacity=st.integers(20, 60),
    draws=declared(),
)
def test_segments_match_a_plain_loop(lanes, capacity, draws):
    replay = new_replay(draws, capacity * len(lanes), len(lanes))
    recording = record(replay, lanes)
    segment = replay.sample(32)
    for i in range(32):
        check(segment, i, recording, draws)


def test_shapes_and_types():
    replay = new_replay(Segments(length=5))
    record(replay, [[("ppp", "terminated"), ("p" * 9, "truncated")]])
    segment = replay.sample(4)
    assert segment.obs[KEY].shape == (4, 6, 3, 16, 16)
    assert segment.obs[KEY].dtype == np.uint8
    assert segment.obs[PROPRIO].shape == (4, 6, 1)
    assert segment.is_first.shape == (4, 6)
    assert segment.action.shape == segment.label.shape == (4, 5, 1)
    for name in ("reward", "mask", "terminated", "own", "taught"):
        assert getattr(segment, name).shape == (4, 5)
    assert segment.reward.dtype == segment.mask.dtype == np.float32
    assert segment.map(torch.from_numpy).is_first.dtype == torch.bool
    assert segment.returns_to_go is None


def test_a_window_ends_with_its_episode():
    """Numbers 0 to 2 and the last observation 3; the next episode begins with 4."""
    replay = new_replay(Segments(length=5))
    recording = record(replay, [[("php", "terminated"), ("p" * 9, "truncated")]])
    segment = replay.segments_at(Rows(np.array([0]), np.array([1])), 5)
    check(segment, 0, recording, Segments(length=5))
    assert segment.obs[PROPRIO][0, :, 0].tolist() == [1, 2, 3, 3, 3, 3]
    assert segment.mask[0].tolist() == [1, 1, 0, 0, 0]
    assert segment.terminated[0].tolist() == [False, True, False, False, False]
    assert segment.own[0].tolist() == [False, True, False, False, False]
    assert not segment.is_first.any()


def test_a_window_may_cross_episodes():
    replay = new_replay(Segments(length=5, cross_episodes=True))
    record(replay, [[("php", "terminated"), ("p" * 9, "truncated")]])
    segment = replay.sample(200)
    (i, *_) = np.flatnonzero(segment.obs[PROPRIO][:, 0, 0] == 1)
    assert segment.obs[PROPRIO][i, :, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert segment.mask[i].tolist() == [1, 1, 0, 1, 1]  # nothing leads from 3 to 4
    assert segment.is_first[i].tolist() == [False, False, False, True, False, False]
    assert segment.terminated[i].tolist() == [False, True, False, False, False]


def test_windows_that_cross_lie_where_the_lane_has_all_rows():
    """Rows 0 to 3 and 4 to 13: the last window of 5 steps begins at 8. Row 3 has no step."""
    replay = new_replay(Segments(length=5, cross_episodes=True))
    record(replay, [[("php", "terminated"), ("p" * 9, "truncated")]])
    starts, counts = np.unique(replay.sample(8000).obs[PROPRIO][:, 0, 0], return_counts=True)
    assert starts.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    np.testing.assert_allclose(counts / 1000, 1.0, atol=0.15)


@pytest.mark.parametrize("taught_fraction", [0.0, 0.5])
def test_a_lane_that_is_shorter_than_a_window_is_drawn_from_as_it_is(taught_fraction):
    draws = Segments(length=20, cross_episodes=True, taught_fraction=taught_fraction)
    replay = new_replay(draws)
    recording = record(replay, [[("php", "terminated"), ("pp", "killed")]])
    segment = replay.sample(64)
    assert set(segment.obs[PROPRIO][:, 0, 0].astype(int)) == {0, 1, 2, 4, 5}
    for i in range(64):
        check(segment, i, recording, draws)


def test_an_episode_that_was_killed_before_its_first_step_stops_nobody():
    """Of the two rows at which a window of 2 steps has all of its rows, none has a step."""
    replay = new_replay(Segments(length=2, cross_episodes=True))
    for number in (0, 1):
        replay.begin(0, numbered_obs(number))
    record(replay, [[("p", "killed")]])
    assert replay.sample(4).mask.tolist() == [[1.0, 0.0]] * 4


def test_the_declared_share_of_windows_begins_with_a_taught_step():
    replay = new_replay(Segments(length=3, taught_fraction=0.25))
    record(replay, [[("p" * 20 + "hhh" + "p" * 9, "truncated")]])
    taught = replay.sample(32).taught[:, 0]
    assert taught[:8].all()
    assert not taught[8:].all()


def test_every_agent_s_replay_gives_segments():
    replay = Replay(100, Transitions(reward="takeover"), INTERFACE, 1, seed=0)
    record(replay, [[("pph", "terminated")]])
    segment = replay.segments(64, 3)
    assert segment.obs[KEY].shape == (64, 4, 3, 16, 16)
    (i, *_) = np.flatnonzero(segment.is_first[:, 0])
    assert segment.reward[i].tolist() == [0.0, -1.0, 0.0]


def test_a_segment_rides_along_with_transitions():
    """What TACO reads: the same starts, K steps, stacked frames, rewards as the agent's own."""
    draws = Transitions(nstep=1, frame_stack=3, segment=4, reward="takeover")
    replay = Replay(100, draws, INTERFACE, 1, seed=0)
    recording = record(replay, [[("pphhpp", "terminated"), ("ppppppp", "killed")]])
    batch = replay.transitions(64)
    np.testing.assert_array_equal(batch.segment.obs[PROPRIO][:, 0], batch.obs[PROPRIO])
    assert batch.segment.reward.min() == -1.0
    last = last_obs(batch.segment.map(torch.from_numpy))
    ahead = Segments(length=4, frame_stack=3, reward="takeover")
    for i in range(64):
        there = check(batch.segment, i, recording, ahead)
        end = [row for row in there if row is not None][-1]
        rows, t = recording.find(end.number)
        assert last[PROPRIO][i].tolist() == [end.number]
        assert numbers_in(last[KEY][i].numpy()) == stack_of(rows, t, 3)


def test_what_cannot_be_declared_is_refused():
    with pytest.raises(ConfigError, match="at least one"):
        Segments(length=0)
    with pytest.raises(ConfigError, match="two episodes would share a stack"):
        Segments(length=4, cross_episodes=True, frame_stack=2)
    with pytest.raises(ConfigError, match="less than the 64 steps"):
        new_replay(Segments(length=64), capacity=50)


def test_handles_name_every_stored_step_and_windows_begin_at_them():
    replay = new_replay(Segments(length=4), capacity=60, lanes=2)
    recording = record(replay, [[("pph", "terminated"), ("p" * 40, "killed")], [("hh", "killed")]])
    rows = replay.rows()
    stored = [row for lane in (0, 1) for row in recording.kept(lane) if row.step is not None]
    assert rows.step.tolist() == [row.steps for row in stored]
    assert rows.lane.tolist() == [0] * 29 + [1] * 2
    segment = replay.segments_at(rows, 4)
    assert segment.obs[PROPRIO][:, 0, 0].tolist() == [row.number for row in stored]
    gone = Rows(np.array([0, 0, 7, 0]), np.array([0, 5, 1, 12]))
    assert len(replay.segments_at(gone, 4).mask) == 0
    assert len(replay.segments_at(gone[3:], 4).mask) == 0
    assert replay.segments_at(Rows(np.array([0]), np.array([20])), 4).rows.step[0, 0] == 20

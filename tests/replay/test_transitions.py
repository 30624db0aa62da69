"""Every transition drawn is checked against a plain loop over the steps that were added."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.errors import ConfigError, OutOfSpaceError
from robot_rl.replay import Replay, Segments, Transitions
from robot_rl.replay.device import DeviceFrames, frames_fit
from robot_rl.replay.storage import row_bytes
from robot_rl.types import PROPRIO
from tests.conftest import make_interface
from tests.replay.reference import (
    INTERFACE,
    KEY,
    episodes,
    n_step,
    numbered_obs,
    numbers_in,
    record,
    return_to_go,
    stack_of,
)

LONG = [("ppppppppp", "terminated"), ("ppppp", "truncated")]


def new_replay(capacity: int = 100, lanes: int = 1, seed: int = 0, **draws) -> Replay:
    return Replay(capacity, Transitions(**draws), INTERFACE, lanes, seed)


@settings(max_examples=80)
@given(
    lanes=st.lists(episodes, min_size=1, max_size=3),
    demos=st.integers(0, 1),
    capacity=st.integers(20, 60),
    draws=st.builds(
        Transitions,
        nstep=st.integers(1, 5),
        frame_stack=st.integers(1, 4),
        gamma=st.just(0.9),
        taught_fraction=st.sampled_from([0.0, 0.3, 0.5]),
        reward=st.sampled_from(["task", "takeover"]),
        returns_to_go=st.booleans(),
    ),
)
def test_transitions_match_a_plain_loop(lanes, demos, capacity, draws):
    demo_rows = sum(len(steps) + 1 for steps, _ in lanes[-1]) if demos and len(lanes) > 1 else 0
    envs = len(lanes) - (demo_rows > 0)
    replay = Replay(capacity * envs, draws, INTERFACE, envs, 1, demo_rows=demo_rows)
    recording = record(replay, lanes)
    for batch in (replay.transitions(32), replay.sample(32)):
        for i in range(32):
            rows, t = recording.find(int(batch.obs[PROPRIO][i, 0]))
            reward, discount, last = n_step(rows, t, draws)
            step = rows[t].step
            assert step is not None
            assert batch.action[i] == step.action
            assert batch.label[i] == step.label
            assert batch.reward[i] == pytest.approx(reward, rel=1e-5)
            assert batch.discount[i] == pytest.approx(discount, rel=1e-5)
            assert batch.next_obs[PROPRIO][i, 0] == rows[last].number
            assert numbers_in(batch.obs[KEY][i]) == stack_of(rows, t, draws.frame_stack)
            assert numbers_in(batch.next_obs[KEY][i]) == stack_of(rows, last, draws.frame_stack)
            assert batch.rows.step[i] == rows[t].steps
            assert rows == recording.kept(int(batch.rows.lane[i]))
            if draws.returns_to_go:
                wanted = return_to_go(rows, t, draws)
                assert batch.returns_to_go[i] == pytest.approx(wanted, rel=1e-5, nan_ok=True)


def test_the_running_episode_can_be_drawn():
    replay = new_replay()
    record(replay, [[("pp", "killed")]])
    batch = replay.transitions(32)
    assert set(batch.obs[PROPRIO][:, 0]) == {0.0, 1.0}
    assert set(batch.next_obs[PROPRIO][:, 0]) == {2.0}
    assert set(np.round(batch.discount, 6)) == {np.float32(0.9801), np.float32(0.99)}


def test_every_transition_is_drawn_equally_often():
    replay = new_replay(lanes=2)
    record(replay, [[("p" * 9, "terminated"), ("p", "killed")], [("p" * 20, "killed")]])
    counts = np.unique(replay.transitions(30_000).obs[PROPRIO], return_counts=True)[1]
    assert len(counts) == 30
    np.testing.assert_allclose(counts / 1000, 1.0, atol=0.15)


@pytest.mark.parametrize("taught_fraction", [0.0, 0.5])
def test_rows_whose_stack_is_overwritten_are_not_drawn_and_all_others_are(taught_fraction):
    """Of 45 rows the ring keeps numbers 6 to 50; number 50 has no step yet."""
    replay = new_replay(capacity=45, frame_stack=4, taught_fraction=taught_fraction)
    record(replay, [[("ph" * 25, "killed")]])
    drawn = replay.transitions(3000).obs[PROPRIO][:, 0]
    assert set(drawn.astype(int)) == set(range(6 + 3, 50))


def test_same_seed_same_samples_and_state_restores_them():
    a, b = new_replay(seed=3), new_replay(seed=3)
    for replay in (a, b):
        record(replay, [LONG])
    np.testing.assert_array_equal(a.sample(16).action, b.sample(16).action)
    state = a.state_dict()
    first = a.sample(16).action
    b.load_state_dict(state)
    np.testing.assert_array_equal(first, b.sample(16).action)


def test_frames_kept_as_tensors_give_the_same_batches():
    store = partial(DeviceFrames, device=torch.device("cpu"))
    draws = Transitions(segment=2)
    host = Replay(100, draws, INTERFACE, 1, seed=0)
    device = Replay(100, draws, INTERFACE, 1, seed=0, frame_store=store)
    for replay in (host, device):
        record(replay, [LONG])
    a, b = host.sample(16), device.sample(16)
    np.testing.assert_array_equal(a.obs[KEY], b.obs[KEY].numpy())
    np.testing.assert_array_equal(a.next_obs[KEY], b.next_obs[KEY].numpy())
    np.testing.assert_array_equal(a.segment.obs[KEY], b.segment.obs[KEY].numpy())
    assert not frames_fit(INTERFACE, 10, torch.device("cpu"))


def test_drawing_from_an_empty_replay_says_so():
    replay = new_replay()
    replay.begin(0, numbered_obs(0))
    with pytest.raises(ConfigError, match="no transition"):
        replay.transitions(4)


def test_transitions_of_an_agent_that_draws_segments_are_refused():
    replay = Replay(50, Segments(length=3), INTERFACE, 1, seed=0)
    record(replay, [LONG])
    with pytest.raises(ConfigError, match="draws segments alone"):
        replay.transitions(4)


def test_what_cannot_be_declared_is_refused():
    for wrong in ({"nstep": 0}, {"gamma": 1.1}, {"taught_fraction": -0.1}, {"frame_stack": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Transitions(**wrong)
    with pytest.raises(ConfigError, match="leaves 6 rows to an environment, less than the 5 steps"):
        new_replay(capacity=12, lanes=2, nstep=5, frame_stack=2)


# ------------------------------------------------------------------------ room


def test_demonstrations_take_the_room_that_they_need():
    replay = Replay(60, Transitions(frame_stack=1), INTERFACE, 2, seed=0, demo_rows=7)
    assert replay.storage.size.tolist() == [30, 30, 7]
    recording = record(replay, [[("p" * 40, "killed")], [("p" * 3, "killed")], [("eee", "killed")]])
    assert len(recording.kept(0)) == 30
    assert len(replay) == 29 + 3 + 3
    assert replay.steps_by_source(2) == {"policy": 32}
    assert replay.steps_by_source(3) == {"policy": 32, "expert": 3}


def test_one_short_demonstration_is_enough():
    replay = Replay(60, Transitions(nstep=5, taught_fraction=1.0), INTERFACE, 1, 0, demo_rows=2)
    record(replay, [[("p" * 9, "killed")], [("e", "terminated")]])
    assert set(replay.transitions(8).obs[PROPRIO][:, 0]) == {10.0}


def test_what_does_not_fit_is_refused_before_allocation():
    large = make_interface(size=84)
    with pytest.raises(OutOfSpaceError, match=r"takes \d+\.\d GB but .* Set replay\.capacity"):
        Replay(10**9, Transitions(), large, 1, seed=0)


def test_how_much_memory_is_missing_is_said_and_what_the_demonstrations_take():
    large = make_interface(size=84)
    wanted = r"[\d.]+ GB are missing. The demonstrations alone .* 1,000,000,000 rows of demonstra"
    with pytest.raises(OutOfSpaceError, match=wanted):
        Replay(100, Transitions(), large, 1, seed=0, demo_rows=10**9)


def test_bytes_of_a_million_transitions_at_84_pixels_stay_below_22_gb():
    assert row_bytes(make_interface(size=84)) * 1_000_000 < 22e9

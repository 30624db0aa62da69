"""Every sampled tuple is checked against a plain loop over the steps that were added."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.errors import ConfigError, OutOfSpaceError
from robot_rl.replay import Replay, ReplayConfig
from robot_rl.replay.device import DeviceFrames, frames_fit
from robot_rl.replay.prefetch import Prefetcher
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, Observation
from tests.conftest import make_interface

INTERFACE = make_interface(cameras=2, size=16, proprio=1, actions=1)
KEY = INTERFACE.cameras[1].key


@dataclass
class Row:
    """One observation, named by a number that its pixels and proprio carry."""

    number: int
    step: Step | None = None


def numbered_obs(number: int) -> Observation:
    image = np.full((16, 16, 3), number % 251, np.uint8)
    image[0, 0] = (number % 256, number // 256, 7)
    return {
        INTERFACE.cameras[0].key: image,
        KEY: image + np.uint8(1),
        PROPRIO: np.array([number], np.float32),
    }


def fill(replay: Replay, lanes: list[list[tuple[int, bool]]]) -> list[list[list[Row]]]:
    """Add episodes (length, terminated) to each lane; the plain record, by lane and episode."""
    number, record = 0, []
    for lane, episodes in enumerate(lanes):
        record.append([])
        for length, terminated in episodes:
            rows = [Row(number)]
            replay.begin(lane, numbered_obs(number))
            for t in range(length):
                number += 1
                ends = terminated and t == length - 1
                step = Step(np.array([number / 7], np.float32), number / 3, ends, False)
                rows[-1].step = step
                replay.add(lane, step, numbered_obs(number))
                rows.append(Row(number))
            number += 1
            record[-1].append(rows)
    return record


def expected(rows: list[Row], t: int, config: ReplayConfig) -> tuple[float, float, int]:
    """(n-step reward, discount, index of next_obs) of the transition that starts at row `t`."""
    reward, discount, steps = 0.0, 1.0, 0
    while steps < config.nstep and rows[t + steps].step is not None:
        step = rows[t + steps].step
        assert step is not None
        reward += config.gamma**steps * step.reward
        steps += 1
        discount = 0.0 if step.terminated else config.gamma**steps
        if step.terminated:
            break
    return reward, discount, t + steps


episodes = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    lanes=st.lists(episodes, min_size=1, max_size=3),
    nstep=st.integers(1, 5),
    stack=st.integers(1, 4),
    sequence=st.integers(0, 5),
    capacity=st.integers(20, 60),
)
def test_sampled_tuples_match_a_plain_loop(lanes, nstep, stack, sequence, capacity):
    config = ReplayConfig(
        capacity=capacity * len(lanes), nstep=nstep, frame_stack=stack, sequence=sequence, gamma=0.9
    )
    replay = Replay(config, INTERFACE, len(lanes), seed=1)
    by_number = {
        row.number: (rows, t)
        for lane in fill(replay, lanes)
        for rows in lane
        for t, row in enumerate(rows)
    }
    batch = replay.sample(64)
    for i in range(64):
        rows, t = by_number[int(batch.obs[PROPRIO][i, 0])]
        reward, discount, last = expected(rows, t, config)
        assert rows[t].step is not None
        assert batch.action[i, 0] == pytest.approx(rows[t].step.action[0])
        assert batch.reward[i] == pytest.approx(reward, rel=1e-5)
        assert batch.discount[i] == pytest.approx(discount, rel=1e-5)
        assert batch.next_obs[PROPRIO][i, 0] == rows[last].number
        check_stack(batch.obs[KEY][i], rows, t, stack)
        check_stack(batch.next_obs[KEY][i], rows, last, stack)
        if sequence:
            check_sequence(batch.sequence, i, rows, t, sequence)


def check_stack(frames: np.ndarray, rows: list[Row], t: int, stack: int) -> None:
    wanted = [rows[max(0, t - back)].number for back in range(stack - 1, -1, -1)]
    got = [int(f[0, 0, 0]) - 1 + 256 * (int(f[1, 0, 0]) - 1) for f in frames]
    assert [g % 256 for g in got] == [w % 256 for w in wanted]


def check_sequence(sequence, i: int, rows: list[Row], t: int, k: int) -> None:
    inside = [row.step for row in rows[t : t + k] if row.step is not None]
    assert sequence.mask[i] == (len(inside) == k)
    padded = [s.reward for s in inside] + [0.0] * (k - len(inside))
    np.testing.assert_allclose(sequence.rewards[i], padded, rtol=1e-5)
    assert sequence.last_obs[PROPRIO][i, 0] == rows[t + len(inside)].number


def test_the_running_episode_can_be_sampled():
    replay = Replay(ReplayConfig(capacity=50, nstep=3), INTERFACE, 1, seed=0)
    fill(replay, [[(2, False)]])
    batch = replay.sample(32)
    assert set(batch.obs[PROPRIO][:, 0]) == {0.0, 1.0}
    assert set(batch.next_obs[PROPRIO][:, 0]) == {2.0}
    assert set(np.round(batch.discount, 6)) == {np.float32(0.9801), np.float32(0.99)}


def test_every_transition_is_drawn_equally_often():
    replay = Replay(ReplayConfig(capacity=100), INTERFACE, 2, seed=0)
    fill(replay, [[(9, True), (1, False)], [(20, False)]])
    counts = np.unique(replay.sample(30_000).obs[PROPRIO], return_counts=True)[1]
    assert len(counts) == 30
    np.testing.assert_allclose(counts / 1000, 1.0, atol=0.15)


def test_same_seed_same_samples_and_state_restores_them():
    a, b = (Replay(ReplayConfig(capacity=50), INTERFACE, 1, seed=3) for _ in range(2))
    for replay in (a, b):
        fill(replay, [[(9, True), (9, False)]])
    np.testing.assert_array_equal(a.sample(16).action, b.sample(16).action)
    state = a.state_dict()
    first = a.sample(16).action
    b.load_state_dict(state)
    np.testing.assert_array_equal(first, b.sample(16).action)


def test_frames_kept_as_tensors_give_the_same_batches():
    store = partial(DeviceFrames, device=torch.device("cpu"))
    config = ReplayConfig(capacity=100, frame_stack=3)
    host = Replay(config, INTERFACE, 1, seed=0)
    device = Replay(config, INTERFACE, 1, seed=0, frame_store=store)
    for replay in (host, device):
        fill(replay, [[(9, True), (5, False)]])
    a, b = host.sample(16), device.sample(16)
    np.testing.assert_array_equal(a.obs[KEY], b.obs[KEY].numpy())
    np.testing.assert_array_equal(a.next_obs[KEY], b.next_obs[KEY].numpy())
    assert not frames_fit(INTERFACE, 10, torch.device("cpu"))


def test_prefetching_gives_the_same_batches_in_the_same_order():
    config = ReplayConfig(capacity=100)
    plain, prefetched = (Replay(config, INTERFACE, 1, seed=0) for _ in range(2))
    for replay in (plain, prefetched):
        fill(replay, [[(9, True), (5, False)]])
    batches = Prefetcher(lambda: prefetched.sample(4))
    for _ in range(5):
        np.testing.assert_array_equal(batches().action, plain.sample(4).action)
        batches.settle()


def test_a_failure_to_sample_is_told_by_the_call_that_wants_the_batch():
    replay = Replay(ReplayConfig(capacity=50), INTERFACE, 1, seed=0)
    with pytest.raises(ConfigError, match="no transition"):
        Prefetcher(lambda: replay.sample(4))()


def test_sampling_an_empty_replay_says_so():
    replay = Replay(ReplayConfig(capacity=50), INTERFACE, 1, seed=0)
    replay.begin(0, numbered_obs(0))
    with pytest.raises(ConfigError, match="no transition"):
        replay.sample(4)


def test_what_does_not_fit_is_refused_before_allocation():
    with pytest.raises(OutOfSpaceError, match=r"takes \d+\.\d GB but .* Set replay\.capacity"):
        Replay(ReplayConfig(capacity=10**9), make_interface(size=84), 1, seed=0)


def test_bytes_of_a_million_transitions_at_84_pixels_stay_below_22_gb():
    from robot_rl.replay.storage import row_bytes

    assert row_bytes(make_interface(size=84)) * 1_000_000 < 22e9

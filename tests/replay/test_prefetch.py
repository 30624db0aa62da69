"""Batches drawn ahead: the same, in the same order, and never with a reward that was rewritten."""

import threading

import numpy as np
import pytest

from robot_rl.errors import ConfigError
from robot_rl.replay import Replay, Segments
from robot_rl.replay.prefetch import Prefetcher
from tests.replay.reference import INTERFACE, record
from tests.replay.test_rewritten_rewards import ONE_STEP, filled


def test_prefetching_gives_the_same_batches_in_the_same_order():
    plain, prefetched = filled(), filled()
    batches = Prefetcher(prefetched, 4)
    for _ in range(5):
        np.testing.assert_array_equal(batches().action, plain.sample(4).action)
        batches.settle()


def test_a_failure_to_draw_is_told_by_the_call_that_wants_the_batch():
    replay = Replay(50, ONE_STEP, INTERFACE, 1, seed=0)
    with pytest.raises(ConfigError, match="no transition"):
        Prefetcher(replay, 4)()


@pytest.mark.parametrize("draws", [ONE_STEP, Segments(length=2)])
def test_a_prefetched_batch_never_carries_a_stale_reward(draws):
    replay = Replay(50, draws, INTERFACE, 1, seed=0)
    record(replay, [[("ppppp", "killed")]])
    batches = Prefetcher(replay, 8)
    batches()
    for version in range(1, 20):
        batches.settle()  # the next batch is drawn, with the rewards of before
        replay.set_reward(replay.rows(), np.full(5, float(version)), version)
        reward = batches().reward
        assert set(reward[reward != 0]) == {version}


def test_rewriting_in_a_thread_is_seen_whole_or_not_at_all():
    """Every batch has the rewards of one call, and never of one before the last that ended."""
    replay = Replay(500, ONE_STEP, INTERFACE, 1, seed=0)
    record(replay, [[("p" * 400, "killed")]])
    replay.set_reward(replay.rows(), np.full(400, 1.0), 1)
    done = [1]

    def rewrite() -> None:
        for version in range(2, 100):
            replay.set_reward(replay.rows(), np.full(400, float(version)), version)
            done[0] = version

    batches, model = Prefetcher(replay, 64), threading.Thread(target=rewrite)
    model.start()
    while model.is_alive():
        ended = done[0]
        (version,) = set(batches().reward.tolist())
        assert version >= ended
    model.join()

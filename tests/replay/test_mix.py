"""Who did what may begin a batch, checked against a plain loop for each `mix`."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.errors import ConfigError
from robot_rl.replay import Replay, Transitions
from robot_rl.replay.members import Members
from robot_rl.replay.starts import KINDS
from robot_rl.replay.storage import Lanes
from robot_rl.types import PROPRIO
from tests.replay.reference import INTERFACE, episodes, record

ONLINE, DEMOS = [("pphhrn", "killed"), ("ppp", "truncated")], [("eep", "terminated")]
# Numbers of the rows above, by letter: p 0 1, h 2 3, r 4, n 5; p 7 8 9; e 11 12, p 13. Odd ones
# have a label (see `reference`), and taught ones.


def numbers(replay: Replay, n: int = 400) -> np.ndarray:
    return replay.sample(n).obs[PROPRIO][:, 0].astype(int)


def mixed(**draws) -> Replay:
    replay = Replay(60, Transitions(frame_stack=1, **draws), INTERFACE, 1, seed=0, demo_rows=4)
    record(replay, [ONLINE, DEMOS])
    return replay


def halves(replay: Replay) -> tuple[set[int], set[int]]:
    """The steps that the first and the second half of a batch are drawn from."""
    drawn = numbers(replay)
    return set(drawn[:200].tolist()), set(drawn[200:].tolist())


def test_rlpd_draws_human_steps_in_both_halves():
    taught, online = halves(mixed(taught_fraction=0.5))
    assert taught == {2, 3, 11, 12}
    assert online == {0, 1, 2, 3, 4, 5, 7, 8, 9, 13}


def test_the_share_of_what_was_taught_fades_with_the_run_s_own_steps():
    """Nine of eighteen steps: half way from a half to nothing."""
    replay = mixed(taught_fraction=0.5, taught_final=0.0, taught_steps=18)
    drawn = numbers(replay)
    assert set(drawn[:100].tolist()) == {2, 3, 11, 12}
    assert set(drawn[100:].tolist()) == {0, 1, 2, 3, 4, 5, 7, 8, 9, 13}
    assert replay.draws.taught_share(18) == replay.draws.taught_share(999) == 0.0


def test_iwr_draws_interventions_and_all_that_can_be_imitated():
    human, rest = halves(mixed(taught_fraction=0.5, mix="interventions"))
    assert human == {2, 3}
    assert rest == {0, 1, 7, 8, 9, 11, 12}


def test_dagger_draws_what_is_labelled():
    assert set(numbers(mixed(mix="labelled")).tolist()) == {1, 2, 3, 5, 7, 9, 11, 12, 13}


def test_without_a_share_everything_is_drawn_alike():
    assert set(numbers(mixed()).tolist()) == {*range(6), 7, 8, 9, 11, 12, 13}


def test_dagger_without_a_label_says_what_is_missing():
    replay = Replay(60, Transitions(mix="labelled"), INTERFACE, 1, seed=0)
    record(replay, [[("r", "killed")]])
    with pytest.raises(ConfigError, match=r"labelled. Let a human take part: human\.device"):
        replay.sample(4)


@settings(max_examples=60)
@given(
    lanes=st.lists(episodes, min_size=1, max_size=3),
    capacity=st.integers(12, 40),
    kind=st.sampled_from(sorted(KINDS)),
    every=st.integers(1, 9),
)
def test_an_index_follows_the_replay_as_it_grows_and_forgets(lanes, capacity, kind, every):
    replay = Replay(
        capacity * len(lanes), Transitions(nstep=1, frame_stack=1), INTERFACE, len(lanes), 0
    )
    store, calls = replay.storage, count(1)
    members = Members(store, KINDS[kind])

    def watch() -> None:
        if next(calls) % every == 0:
            members.catch_up()
            found = list(zip(*members.take(np.arange(members.count)), strict=True))
            assert found == list(wanted(store, kind))

    record(replay, lanes, watch)


def wanted(store: Lanes, kind: str) -> Iterator[tuple[int, int]]:
    for lane in range(store.lanes):
        for row in range(store.oldest[lane], store.head[lane]):
            place = store.flat(lane, np.array([row]))
            if store.has_action[place][0] and KINDS[kind](store, lane, place)[0]:
                yield lane, row


def test_a_kind_of_which_none_can_be_a_start_counts_as_missing():
    """The only human step lost the frame before it when the ring went round."""
    replay = Replay(12, Transitions(nstep=1, frame_stack=2, taught_fraction=0.5), INTERFACE, 1, 0)
    record(replay, [[("h" + "p" * 12, "killed")]])
    assert replay.storage.taught.sum() == 0
    replay = Replay(12, Transitions(nstep=1, frame_stack=3, taught_fraction=0.5), INTERFACE, 1, 0)
    record(replay, [[("ppph" + "p" * 10, "killed")]])
    assert replay.storage.taught.sum() == 1
    assert 3 not in numbers(replay)
    assert len(numbers(replay)) == 400

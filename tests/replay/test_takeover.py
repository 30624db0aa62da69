"""Transitions around takeover, hand-back, truncation and success, on hand-made episodes.

Each letter is a step: p policy, h human, e expert; the episode ends as `end` says.
"""

import numpy as np
import pytest
import torch

from robot_rl.errors import ConfigError
from robot_rl.replay import Replay, Transitions
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO
from tests.replay.reference import INTERFACE, KEY, NAMES, numbered_obs


def recorded(*episodes: tuple[str, str], capacity: int = 200, **settings) -> Replay:
    """Step t of the run pays t + 1, has action t / 100, and the human wanted -t / 100."""
    settings = {"nstep": 3, "gamma": 0.5, "frame_stack": 1} | settings
    replay = Replay(capacity, Transitions(**settings), INTERFACE, 1, seed=0)
    number = 0
    for commanders, end in episodes:
        replay.begin(0, numbered_obs(number))
        for i, letter in enumerate(commanders):
            last = i == len(commanders) - 1
            action = np.array([number / 100], np.float32)
            step = Step(
                action,
                number + 1.0,
                last and end == "success",
                last and end == "truncated",
                NAMES[letter],
                human_action=-action,
            )
            number += 1
            replay.add(0, step, numbered_obs(number))
        number += 1
    return replay


def transition(replay: Replay, row: int) -> tuple[float, float, int]:
    """(reward, discount, number of the next observation) of the transition at `row`."""
    batch = replay.gather(np.array([0]), np.array([row]))
    return float(batch.reward[0]), float(batch.discount[0]), int(batch.next_obs[PROPRIO][0, 0])


def test_an_n_step_return_stops_where_the_commander_changes():
    replay = recorded(("pphhhp", "truncated"))
    assert transition(replay, 0) == (1 + 0.5 * 2, 0.25, 2)  # two policy steps, then the human's
    assert transition(replay, 1) == (2.0, 0.5, 2)
    assert transition(replay, 2) == (3 + 0.5 * 4 + 0.25 * 5, 0.125, 5)
    assert transition(replay, 4) == (5.0, 0.5, 5)


def test_the_last_step_of_an_intervention_has_its_own_next_frame():
    replay = recorded(("phhp", "truncated"))
    batch = replay.gather(np.array([0]), np.array([2]))
    np.testing.assert_array_equal(
        batch.next_obs[KEY][0, 0], numbered_obs(3)[KEY].transpose(2, 0, 1)
    )
    assert batch.obs[KEY].dtype == np.uint8


def test_truncation_bootstraps_and_success_does_not():
    cut, won = recorded(("pp", "truncated")), recorded(("pp", "success"))
    assert transition(cut, 1) == (2.0, 0.5, 2)
    assert transition(won, 1) == (2.0, 0.0, 2)
    assert transition(won, 0) == (1 + 0.5 * 2, 0.0, 2)


def test_success_behind_a_takeover_does_not_pay_the_policy():
    replay = recorded(("phh", "success"))
    assert transition(replay, 0) == (1.0, 0.5, 1)
    assert transition(replay, 1) == (2 + 0.5 * 3, 0.0, 3)


@pytest.mark.parametrize("nstep", [1, 3])
def test_rlif_pays_the_step_before_the_takeover_alone(nstep):
    replay = recorded(
        ("ppphhppr", "truncated"), ("hhpp", "success"), reward="takeover", nstep=nstep
    )
    steps = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    paid = {row: transition(replay, row)[0] for row in steps}
    wanted = {2: -1.0} if nstep == 1 else {0: -0.25, 1: -0.5, 2: -1.0}
    assert {row: value for row, value in paid.items() if value} == wanted
    # The task's own reward of 1 for success is not used; its end still is.
    assert transition(replay, 12)[1] == 0.0


def test_half_a_batch_is_taught_and_every_taught_step_is_drawn():
    replay = recorded(("pp" * 20 + "hhhhh", "truncated"), ("eee", "success"), taught_fraction=0.5)
    batch = replay.sample(64)
    numbers = batch.obs[PROPRIO][:, 0].astype(int)
    taught = np.isin(numbers, [40, 41, 42, 43, 44, 46, 47, 48])
    assert taught[:32].all()
    assert not taught[32:].all()
    drawn = np.concatenate([replay.sample(64).obs[PROPRIO][:, 0] for _ in range(120)])
    # The middle of an intervention is there as often as its ends.
    counts = [int((drawn == n).sum()) for n in (40, 41, 42, 43, 44)]
    assert min(counts) > 0.75 * max(counts)


def test_one_kind_fills_the_place_of_the_other():
    only_taught = recorded(("eee", "success"), taught_fraction=0.5)
    assert len(only_taught.sample(10).action) == 10
    only_policy = recorded(("ppp", "success"), taught_fraction=0.5)
    assert len(only_policy.sample(10).action) == 10


def test_there_is_no_imitation_of_nobody():
    replay = recorded(("ppp", "success"), taught_fraction=1.0)
    with pytest.raises(ConfigError, match="nothing to imitate"):
        replay.sample(4)


def test_nobody_is_not_a_teacher():
    replay = recorded(("phnnp", "truncated"), reward="takeover", nstep=1)
    assert [transition(replay, row)[0] for row in range(5)] == [-1.0, 0.0, 0.0, 0.0, 0.0]
    assert replay.storage.taught[:5].tolist() == [False, True, False, False, False]
    # From a lost or released device back to the human: the policy did nothing wrong.
    again = recorded(("phnhp", "truncated"), reward="takeover", nstep=1)
    assert [transition(again, row)[0] for row in range(5)] == [-1.0, 0.0, 0.0, 0.0, 0.0]


def test_a_label_is_what_the_human_wanted():
    replay = recorded(("ph", "truncated"))
    batch = replay.gather(np.array([0, 0]), np.array([0, 1]))
    np.testing.assert_allclose(batch.label[:, 0], [0.0, -0.01])
    np.testing.assert_allclose(batch.action[:, 0], [0.0, 0.01])


def test_a_reused_row_forgets_who_had_it():
    replay = recorded(("ph" * 30, "truncated"), ("p" * 40, "truncated"), capacity=45)
    assert not replay.storage.taught.any() or replay.storage.taught.sum() < 3
    assert replay.steps_by_source(1).get("policy", 0) >= 40


def test_taught_rows_survive_the_wrap_and_keep_their_numbers():
    replay = recorded(("p" * 50 + "hh" + "p" * 20, "truncated"), capacity=45, taught_fraction=1.0)
    batch = replay.sample(20)
    assert set(batch.obs[PROPRIO][:, 0].astype(int)) == {50, 51}
    assert torch.from_numpy(batch.obs[KEY]).dtype == torch.uint8

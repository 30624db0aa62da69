"""Rewards that are rewritten: who is, which version stands, what survives, what a batch carries."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.errors import ConfigError, CorruptFileError, NotFiniteError
from robot_rl.replay import Replay, Transitions
from robot_rl.replay import buffer as buffer_module
from robot_rl.replay import journal as journal_module
from robot_rl.replay.journal import Journal
from robot_rl.replay.overlay import RewardOverlay
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, Rows
from tests.replay.reference import (
    INTERFACE,
    episodes,
    n_step,
    numbered_obs,
    record,
    return_to_go,
)

ONE_STEP = Transitions(nstep=1, frame_stack=1)


def rows_of(*steps: int, lane: int = 0) -> Rows:
    return Rows(np.full(len(steps), lane), np.array(steps))


def rewards(replay: Replay, lane: int = 0) -> list[float]:
    """Of the steps that are stored, oldest first."""
    rows = replay.rows()
    place, _ = replay.storage.find(rows.lane[rows.lane == lane], rows.step[rows.lane == lane])
    return replay.storage.reward[place].tolist()


def filled(steps: int = 5, capacity: int = 50) -> Replay:
    """One running episode; step t was paid t / 3."""
    replay = Replay(capacity, ONE_STEP, INTERFACE, 1, seed=0)
    record(replay, [[("p" * steps, "killed")]])
    return replay


# ------------------------------------------------------------------ who, and which

rewrites = st.lists(
    st.tuples(
        st.integers(0, 2),  # lane
        st.integers(0, 80),  # step
        st.integers(-9, 9),  # reward
        st.integers(1, 4),  # version
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(
    lanes=st.lists(episodes, min_size=1, max_size=3),
    capacity=st.integers(20, 40),
    rewrites=rewrites,
    reward=st.sampled_from(["task", "takeover"]),
)
def test_rewrites_match_a_plain_loop(lanes, capacity, rewrites, reward):
    """Transitions, their returns, and how many were set."""
    draws = Transitions(nstep=3, frame_stack=1, gamma=0.9, reward=reward, returns_to_go=True)
    replay = Replay(capacity * len(lanes), draws, INTERFACE, len(lanes), seed=1)
    recording = record(replay, lanes)
    for i, (lane, step, value, version) in enumerate(rewrites):
        row = next(
            (
                row
                for row in (recording.kept(lane) if lane < len(lanes) else ())
                if row.step is not None and row.steps == step
            ),
            None,
        )
        taken = row is not None and row.version <= version
        assert replay.set_reward(rows_of(step, lane=lane), np.array([value]), version) == taken
        if row is not None and taken:
            row.reward, row.version = value, version
        if i % 5 == 4:
            replay.transitions(4)  # returns are asked for in between
    batch = replay.transitions(32)
    for i in range(32):
        rows, t = recording.find(int(batch.obs[PROPRIO][i, 0]))
        assert batch.reward[i] == pytest.approx(n_step(rows, t, draws)[0], rel=1e-5)
        wanted = return_to_go(rows, t, draws)
        assert batch.returns_to_go[i] == pytest.approx(wanted, rel=1e-5, nan_ok=True)


def test_many_at_once_count_those_that_are_there_and_not_newer():
    """Of 12 steps the ring of 8 rows keeps 5 to 11."""
    replay = filled(steps=12, capacity=8)
    assert replay.set_reward(rows_of(6, 8), np.array([60.0, 80.0]), version=2) == 2
    assert replay.set_reward(rows_of(4, 5, 6, 12, -1), np.full(5, 1.0), version=1) == 1
    wanted = [1.0, 60.0, 7 / 3, 80.0, 3.0, 10 / 3, 11 / 3]
    np.testing.assert_allclose(rewards(replay), wanted, rtol=1e-6)


def test_the_handles_of_batches_and_segments_rewrite_what_they_came_from():
    replay = filled()
    batch = replay.transitions(40)
    assert replay.set_reward(batch.rows, -batch.obs[PROPRIO][:, 0], version=1) == 40
    assert rewards(replay) == [0.0, -1.0, -2.0, -3.0, -4.0]
    segment = replay.segments_at(rows_of(2), 5)
    assert replay.set_reward(segment.rows, np.arange(5.0), version=2) == 3
    assert rewards(replay) == [0.0, -1.0, 0.0, 1.0, 2.0]
    np.testing.assert_array_equal(replay.segments_at(rows_of(2), 5).reward[0], [0, 1, 2, 0, 0])


def test_a_reused_row_has_its_own_reward():
    replay = filled(steps=5, capacity=8)
    replay.set_reward(rows_of(0, 1), np.array([50.0, 51.0]), version=9)
    for t in range(5, 12):
        replay.add(0, Step(np.zeros(1, np.float32), float(t), False, False), numbered_obs(t))
    assert rewards(replay) == [5, 6, 7, 8, 9, 10, 11]
    assert replay.set_reward(rows_of(8), np.array([1.0]), version=1) == 1


def test_what_cannot_be_a_reward_is_refused_and_nothing_changes():
    replay = filled()
    before = rewards(replay)
    with pytest.raises(NotFiniteError, match="1 of 2 rewritten rewards"):
        replay.set_reward(rows_of(0, 1), np.array([1.0, np.nan]), version=1)
    with pytest.raises(ConfigError, match="3 rewards of version 1 for 2 rows"):
        replay.set_reward(rows_of(0, 1), np.zeros(3), version=1)
    with pytest.raises(ConfigError, match="versions count from 1"):
        replay.set_reward(rows_of(0, 1), np.zeros(2), version=0)
    assert rewards(replay) == before
    assert replay.revision == 0


# ------------------------------------------------------------------- over a restart


class Run:
    """A replay with a journal and an overlay, as a run has them; each `open` is a new process."""

    def __init__(self, folder: Path, capacity: int = 50) -> None:
        self.folder, self.capacity = folder, capacity
        self.number = 0
        self.open()

    def open(self) -> None:
        self.replay = Replay(self.capacity, ONE_STEP, INTERFACE, 1, seed=0)
        self.journal = Journal(self.folder, 0, INTERFACE, self.capacity)
        self.journal.restore(self.replay)
        self.replay.keep_rewards(RewardOverlay(self.folder))

    def episode(self, steps: int, discard: bool = False) -> None:
        """Step n of the run is paid n. A discarded episode is in the journal alone."""
        self.journal.begin(numbered_obs(self.number))
        if not discard:
            self.replay.begin(0, numbered_obs(self.number))
        for t in range(steps):
            step = Step(np.zeros(1, np.float32), float(self.number), t == steps - 1, False)
            self.number += 1
            self.journal.add(step, numbered_obs(self.number))
            if not discard:
                self.replay.add(0, step, numbered_obs(self.number))
        if discard:
            self.journal.discard()
            self.replay.set_steps(0, self.journal.steps)


def test_rewards_survive_a_kill_and_handles_stay_theirs(tmp_path):
    run = Run(tmp_path)
    run.episode(3)
    handles = run.replay.rows()
    assert run.replay.set_reward(rows_of(1), np.array([10.0]), version=3) == 1
    run.episode(2)
    assert run.replay.set_reward(rows_of(1, 4), np.array([9.0, 40.0]), version=2) == 1
    run.open()
    assert rewards(run.replay) == [0, 10, 2, 3, 40]
    assert run.replay.set_reward(handles, np.zeros(3), version=2) == 2  # step 1 has version 3
    run.open()
    assert rewards(run.replay) == [0, 10, 0, 3, 40]


def test_handles_stay_theirs_over_discarded_episodes_and_dropped_segments(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "_SEGMENT_ROWS", 5)
    run = Run(tmp_path, capacity=20)
    for steps, discard in ((4, False), (3, True), (6, False), (2, True), (7, False), (9, False)):
        run.episode(steps, discard)
    kept = run.replay.rows()
    known = dict(zip(kept.step.tolist(), rewards(run.replay), strict=True))
    assert all(step == reward for step, reward in known.items())
    run.replay.set_reward(kept, -kept.step.astype(float), version=1)
    run.open()
    again = run.replay.rows()
    assert run.journal.segments()[0].name.startswith("lane00-000002")  # two are gone
    assert set(again.step) <= set(kept.step)
    assert len(again.step) > 12
    assert rewards(run.replay) == [-step for step in again.step]
    run.episode(1)
    assert run.replay.rows().step[-1] == run.journal.steps - 1 == 31


def test_an_episode_without_its_beginning_keeps_its_later_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "_SEGMENT_ROWS", 5)
    run = Run(tmp_path, capacity=8)
    run.episode(20)  # records 0 to 20 in segments of 5; steps 0 to 8 go with the first two
    run.open()
    rows = run.replay.rows()
    assert len(run.replay) == len(rows.step) == 7
    assert rewards(run.replay) == rows.step.tolist() == list(range(13, 20))
    assert not run.replay.segments(16, 3).is_first.any()


def test_a_rewrite_never_lands_on_another_step(tmp_path, caplog):
    """A machine that lost power may keep the overlay and lose the end of the journal."""
    run = Run(tmp_path)
    run.episode(3)
    run.replay.set_reward(rows_of(1, 2), np.array([10.0, 20.0]), version=1)
    (path,) = run.journal.segments()
    path.write_bytes(path.read_bytes()[:-5])
    run.open()
    assert rewards(run.replay) == [0, 10]
    run.number = 50
    run.episode(1)
    run.open()
    assert rewards(run.replay) == [0, 10, 50]
    assert "1 rewritten rewards belong to steps that are not there any more" in caplog.text


def with_demos(first_paid: float) -> Replay:
    """One demonstration of three steps behind an environment's lane."""
    replay = Replay(50, ONE_STEP, INTERFACE, 1, seed=0, demo_rows=4)
    replay.begin(1, numbered_obs(0))
    for t in range(3):
        paid = first_paid if t == 0 else 0.0
        step = Step(np.zeros(1, np.float32), paid, t == 2, False, source="expert")
        replay.add(1, step, numbered_obs(t + 1))
    return replay


def test_rewards_of_demonstrations_survive_where_they_are_the_same(tmp_path, caplog):
    first = with_demos(0.0)
    first.keep_rewards(RewardOverlay(tmp_path))
    first.set_reward(rows_of(0, 2, lane=1), np.array([5.0, 7.0]), version=1)
    again = with_demos(0.0)
    again.keep_rewards(RewardOverlay(tmp_path))
    assert rewards(again, lane=1) == [5, 0, 7]
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    other = with_demos(1.0)
    other.keep_rewards(RewardOverlay(tmp_path))
    assert rewards(other, lane=1) == [1, 0, 7]
    assert "demonstrations were changed" in caplog.text


# --------------------------------------------------------------------------- the file


def test_a_kill_at_any_byte_of_a_write_loses_that_write_alone(tmp_path):
    replay, path = filled(), tmp_path / "rewards.overlay"
    replay.keep_rewards(RewardOverlay(tmp_path))
    ends, known = [0], [rewards(replay)]
    for version, steps in ((1, (0, 1)), (2, (1, 2, 3)), (3, (4,))):
        replay.set_reward(rows_of(*steps), np.full(len(steps), 10.0 * version), version)
        ends.append(path.stat().st_size)
        known.append(rewards(replay))
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        restored = filled()
        restored.keep_rewards(RewardOverlay(tmp_path))
        complete = sum(end <= cut for end in ends) - 1
        assert rewards(restored) == known[complete]
        # What is written next is read after the torn record, not behind it.
        assert path.stat().st_size == ends[complete]
        restored.set_reward(rows_of(0), np.array([77.0]), version=9)
        last = filled()
        last.keep_rewards(RewardOverlay(tmp_path))
        assert rewards(last) == [77.0, *known[complete][1:]]


def test_damage_in_the_middle_is_an_error_and_nothing_is_cut(tmp_path):
    replay, path = filled(), tmp_path / "rewards.overlay"
    replay.keep_rewards(RewardOverlay(tmp_path))
    for version in (1, 2, 3):
        replay.set_reward(rows_of(0, 1), np.ones(2), version)
    whole = path.read_bytes()
    for place in range(2 * len(whole) // 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        with pytest.raises(CorruptFileError, match="is damaged at byte"):
            filled().keep_rewards(RewardOverlay(tmp_path))
        assert path.read_bytes() == damaged


def test_the_overlay_does_not_grow_without_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(buffer_module, "_SMALL_OVERLAY", 50)
    replay, path = filled(), tmp_path / "rewards.overlay"
    replay.keep_rewards(RewardOverlay(tmp_path))
    sizes = []
    for version in range(1, 200):
        replay.set_reward(rows_of(version % 5, (version + 1) % 5), np.full(2, version), version)
        sizes.append(path.stat().st_size)
    assert max(sizes) < 3000
    restored = filled()
    restored.keep_rewards(RewardOverlay(tmp_path))
    assert rewards(restored) == rewards(replay)
    assert restored.set_reward(rows_of(1, 3), np.zeros(2), version=197) == 1  # of 196, 198
    assert list(tmp_path.iterdir()) == [path]

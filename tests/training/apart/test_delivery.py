"""Spool and intake, between which anything may be lost, cut off, killed or sent twice."""

import dataclasses
import json
import math
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robot_rl.errors import ConfigError, CorruptFileError
from robot_rl.replay.journal import KEEP_ALL, Journal
from robot_rl.replay.storage import Step
from robot_rl.training.apart.intake import GapError, Intake, Row
from robot_rl.training.apart.letters import Parcel
from robot_rl.training.apart.spool import Spool
from robot_rl.training.episode import Episode
from tests.conftest import make_interface, random_obs

INTERFACE = make_interface(cameras=1, size=8)
LANE = 3


class Actor:
    """Fills a spool; every step has its own number as its reward. Its episodes have four steps."""

    def __init__(self, root, steps=0, did=()):
        self._root, self._rng = root, np.random.default_rng(len(did))
        self.spool = Spool(root, LANE, INTERFACE, "run")
        self.steps = self.spool.resume(steps)
        self._since = 4
        self.did = list(did)  # None opens an episode

    def act(self, count):
        for _ in range(count):
            if self._since == 4:
                self.spool.begin(0, random_obs(INTERFACE, self._rng), {"drawn": self.steps})
                self.did.append(None)
                self._first, self._since = self.steps, 0
            self._since += 1
            step = Step(np.zeros(2, np.float32), float(self.steps), False, self._since == 4)
            self.spool.add(0, step, random_obs(INTERFACE, self._rng))
            self.did.append(self.steps)
            self.steps += 1
            if self._since == 4:
                self.spool.end(Episode(0, self._first, episode_return=7.0, length=4))

    def leave(self):
        self.spool.close()
        self.spool.release()

    def died(self, received):
        """Another process takes its place, its last episode cut off."""
        self.leave()
        return Actor(self._root, received, self.did)


class Learner:
    def __init__(self, root):
        self._root = root
        journal = Journal(root, LANE, INTERFACE, KEEP_ALL)
        self.rows = [row for episode in journal.episodes(repair=True) for row in episode]
        self.intake = Intake(journal, LANE, INTERFACE)
        self.ended = []

    def take(self, parcel, records):
        for item in self.intake.take(parcel, records):
            if isinstance(item, Row):
                self.rows.append((item.step, item.obs))
            else:
                self.ended.append(item)

    def seen(self):
        """Rewards, and None where an episode opens."""
        return [None if step is None else step.reward for step, _ in self.rows]

    def rewards(self):
        return [step.reward for step, _ in self.rows if step is not None]


def travelled(parcel):
    """Over a wire it is JSON."""
    return Parcel(**json.loads(json.dumps(dataclasses.asdict(parcel))))


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("act"), st.integers(1, 6)),
        st.sampled_from(["sent", "lost", "unacknowledged", "reconnected", "actor", "learner"]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(EVENTS, st.sampled_from([2, 3, 5, 1000]))
def test_every_step_arrives_once_and_in_order(tmp_path_factory, events, rows):
    root = tmp_path_factory.mktemp("apart")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("robot_rl.replay.journal._SEGMENT_ROWS", rows)
        deliver(root, events)


def deliver(root, events):
    actor, learner = Actor(root / "spool"), Learner(root / "learner")
    actor.spool.seek(0, 0)
    for event in [*events, ("act", 4), "reconnected", "sent", "sent"]:
        match event:
            case ("act", count):
                actor.act(count)
            case "lost":
                actor.spool.parcel(0)
                actor.spool.seek(
                    learner.intake.steps, learner.intake.checksum
                )  # a lost parcel is a lost connection
            case "unacknowledged":
                parcel, records = actor.spool.parcel(0)
                learner.take(travelled(parcel), records)
                actor.spool.seek(learner.intake.steps, learner.intake.checksum)
            case "sent":
                parcel, records = actor.spool.parcel(0)
                learner.take(travelled(parcel), records)
                actor.spool.received(learner.intake.steps)
            case "reconnected":
                actor.spool.seek(learner.intake.steps, learner.intake.checksum)
            case "actor":
                actor = actor.died(learner.intake.steps)
                actor.spool.seek(learner.intake.steps, learner.intake.checksum)
            case "learner":
                learner = Learner(root / "learner")
                actor.spool.seek(learner.intake.steps, learner.intake.checksum)
    assert learner.rewards() == list(range(actor.steps))
    assert once(learner.seen()) == once(actor.did), "an opening was lost, or came at a wrong place"
    actor.leave()
    assert Learner(root / "learner").rewards() == learner.rewards(), "what is told is on disk"
    firsts = [episode.first_step for episode in learner.ended]
    assert firsts == sorted(set(firsts)), "an episode ended twice"
    spans = [range(e.first_step, e.first_step + e.length) for e in learner.ended]
    told = [step for span in spans for step in span]
    assert told == sorted(set(told)), "episodes overlap"


def once(seen):
    """An opening that nothing followed may be there twice."""
    pairs = zip(seen, [*seen[1:], 0], strict=True)
    return [reward for reward, following in pairs if not (reward is None is following)]


def test_an_episode_arrives_with_what_was_drawn_and_under_its_own_lane(tmp_path):
    actor, learner = Actor(tmp_path / "spool"), Learner(tmp_path / "learner")
    actor.spool.seek(0, 0)
    actor.act(5)
    learner.take(*actor.spool.parcel(0))
    assert [(e.lane, e.first_step, e.episode_return) for e in learner.ended] == [(LANE, 0, 7.0)]
    np.testing.assert_array_equal(learner.ended[0].rows.lane, [LANE] * 4)
    learner.intake.journal.close()
    drawn = Journal(tmp_path / "learner", LANE, INTERFACE, KEEP_ALL).variations.read()
    assert drawn == {4: {"drawn": 4}} | {0: {"drawn": 0}}


def test_an_end_that_follows_its_last_step_by_a_moment_is_told_with_the_next_parcel(tmp_path):
    actor, learner = Actor(tmp_path / "spool"), Learner(tmp_path / "learner")
    actor.spool.seek(0, 0)
    actor.act(3)
    actor.spool.add(
        0,
        Step(np.zeros(2, np.float32), 3.0, False, True),
        random_obs(INTERFACE, np.random.default_rng(1)),
    )
    learner.take(*actor.spool.parcel(0))
    actor.spool.received(4)
    actor.spool.end(Episode(0, 0, length=4))
    parcel, records = actor.spool.parcel(0)
    assert records == []
    learner.take(parcel, records)
    assert [episode.first_step for episode in learner.ended] == [0]


def test_an_actor_on_a_new_machine_goes_on_where_the_learner_stands(tmp_path):
    learner, first = Learner(tmp_path / "learner"), Actor(tmp_path / "one")
    first.spool.seek(0, 0)
    first.act(6)
    learner.take(*first.spool.parcel(0))
    second = Actor(tmp_path / "two", learner.intake.steps)
    assert second.steps == 6
    second.spool.seek(6, learner.intake.checksum)
    second.act(4)
    learner.take(*second.spool.parcel(0))
    assert learner.rewards() == list(range(10))


def test_what_the_learner_has_is_deleted_and_cannot_be_sent_again(tmp_path, monkeypatch):
    monkeypatch.setattr("robot_rl.replay.journal._SEGMENT_ROWS", 5)
    actor, learner = Actor(tmp_path / "spool"), Learner(tmp_path / "learner")
    actor.spool.seek(0, 0)
    actor.act(20)
    learner.take(*actor.spool.parcel(0))
    actor.spool.received(20)
    assert len(actor.spool.journal.segments()) == 1
    assert learner.rewards() == list(range(20))
    with pytest.raises(CorruptFileError, match="step 2 is asked for"):
        actor.spool.seek(2, 0)
    actor.spool.seek(20, learner.intake.checksum)
    actor.act(1)
    learner.take(*actor.spool.parcel(0))
    assert learner.rewards() == list(range(21))


def test_the_end_of_an_episode_that_its_actors_death_cut_off_is_told(tmp_path):
    actor, learner = Actor(tmp_path / "spool"), Learner(tmp_path / "learner")
    actor.spool.seek(0, 0)
    actor.act(7)
    learner.take(*actor.spool.parcel(0))
    actor = actor.died(7)
    actor.spool.seek(7, learner.intake.checksum)
    actor.act(4)
    learner.take(*actor.spool.parcel(0))
    told = [(e.lane, e.first_step, e.length, e.success) for e in learner.ended]
    assert told == [(LANE, 0, 4, False), (LANE, 4, 3, None), (LANE, 7, 4, False)]
    cut = learner.ended[1]
    assert cut.episode_return == 4 + 5 + 6
    assert [math.isnan(own) for own in cut.own_rewards] == [True, True, True]  # only it knew them


def test_an_actor_whose_place_was_taken_meanwhile_is_told(tmp_path):
    learner, first = Learner(tmp_path / "learner"), Actor(tmp_path / "one")
    first.spool.seek(0, 0)
    first.act(2)
    learner.take(*first.spool.parcel(0))
    second = Actor(tmp_path / "two", 2)
    second.spool.seek(2, learner.intake.checksum)
    second.act(4)
    learner.take(*second.spool.parcel(0))
    with pytest.raises(ConfigError, match="another process collected as actor 3"):
        first.spool.seek(6, learner.intake.checksum)
    first.act(6)  # as many, and others
    with pytest.raises(ConfigError, match="another process collected as actor 3"):
        first.spool.seek(6, learner.intake.checksum)


def test_reading_behind_a_writer_never_sees_half_a_record(tmp_path):
    """Records of several pages, while another thread writes them."""
    large = make_interface(cameras=2, size=256)
    spool = Spool(tmp_path, LANE, large, "run")
    rng, step = np.random.default_rng(0), Step(np.zeros(2, np.float32), 0.0, False, False)
    spool.seek(0, 0)

    def write():
        spool.begin(0, random_obs(large, rng), {})
        for _ in range(150):
            spool.add(0, step, random_obs(large, rng))

    writer = threading.Thread(target=write)
    writer.start()
    records = 0
    while writer.is_alive() or records < 151:
        records += len(spool.parcel(0)[1])
    writer.join()
    assert records == 151


def test_a_gap_and_a_damaged_record_are_refused(tmp_path):
    actor, learner = Actor(tmp_path / "spool"), Learner(tmp_path / "learner")
    actor.spool.seek(0, 0)
    actor.act(3)
    parcel, records = actor.spool.parcel(0)
    with pytest.raises(GapError):
        learner.take(dataclasses.replace(parcel, first_step=1), records[1:])
    broken = bytearray(records[1])
    broken[-1] ^= 1
    with pytest.raises(CorruptFileError, match="damaged"):
        learner.take(parcel, [records[0], bytes(broken)])
    learner.take(parcel, records)
    assert learner.rewards() == [0, 1, 2]


def test_a_spool_belongs_to_one_run_and_one_process(tmp_path):
    actor = Actor(tmp_path)
    with pytest.raises(ConfigError, match="in use by another actor"):
        Actor(tmp_path)
    actor.leave()
    for lane, run in ((LANE, "other"), (0, "run")):
        with pytest.raises(ConfigError, match="another run, or as another of its actors"):
            Spool(tmp_path, lane, INTERFACE, run)

"""Courier and inbox over a real loopback connection."""

import contextlib
import dataclasses
import socket
import threading
import time

import numpy as np
import pytest
import torch

from robot_rl.errors import ConfigError, EnvWorkerError, HardwareError, OutOfSpaceError
from robot_rl.replay.journal import KEEP_ALL, Journal
from robot_rl.training.apart import letters, wire
from robot_rl.training.apart.courier import Courier, first_welcome
from robot_rl.training.apart.inbox import Identity, Inbox
from robot_rl.training.apart.intake import Intake
from tests.training.apart.test_delivery import INTERFACE, LANE, Actor

TOKEN = b"a token of sixteen letters"
IDENTITY = Identity(run="run", config={"seed": 3}, interface=dataclasses.asdict(INTERFACE))


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.rewards, self.ended = [], []

    def begin(self, lane, obs, variation):
        assert lane == LANE

    def add(self, lane, step, next_obs):
        self.rewards.append(step.reward)

    def end(self, episode):
        self.ended.append(episode)

    def close(self): ...


@contextlib.contextmanager
def learner(root, address=("127.0.0.1", 0), ahead=100):
    journals = [Journal(root / "learner", lane, INTERFACE, KEEP_ALL) for lane in range(LANE + 1)]
    for journal in journals:
        journal.count()
    intakes = [Intake(journal, lane, INTERFACE) for lane, journal in enumerate(journals)]
    inbox = Inbox(intakes, IDENTITY, TOKEN, ahead)
    where = inbox.open(address)
    inbox.publish(11, {"weight": torch.arange(3.0), "exploration": {"std": 0.5}})
    try:
        yield inbox, where
    finally:
        inbox.close()
        for journal in journals:
            journal.close()


@contextlib.contextmanager
def courier(actor, where, patience_s=60.0):
    sent = Courier(actor.spool, where, TOKEN, LANE, patience_s)
    sent.start()
    try:
        yield sent
    finally:
        sent.close()


def until(holds, within_s=20.0):
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come to that"
        time.sleep(0.01)


def acknowledged(sent, steps):
    return lambda: sent.receipt is not None and sent.receipt.steps == steps


def test_steps_go_one_way_and_weights_the_other(tmp_path):
    actor, sink = Actor(tmp_path / "spool"), Kept()
    with learner(tmp_path) as (inbox, where), courier(actor, where) as sent:
        until(lambda: sent.receipt is not None)
        state = sent.weights()
        assert state is not None
        torch.testing.assert_close(state["weight"], torch.arange(3.0))
        assert state["exploration"] == {"std": 0.5}
        actor.act(10)
        until(acknowledged(sent, 10))
        assert inbox.connected == {LANE}
        assert inbox.deliver(sink) == 10
        assert sink.rewards == list(range(10))
        assert [episode.first_step for episode in sink.ended] == [0, 4]
        assert sent.weights() is None, "once each"
        inbox.publish(12, {"weight": torch.ones(3)})
        until(lambda: (state := sent.weights()) is not None and state["weight"].sum() == 3)
        inbox.finish()
        until(lambda: sent.done)


def test_the_learner_returns_and_nothing_is_lost_or_doubled(tmp_path):
    actor, sink = Actor(tmp_path / "spool"), Kept()
    with learner(tmp_path) as (inbox, where):
        sent = Courier(actor.spool, where, TOKEN, LANE, 60.0)
        sent.start()
        actor.act(10)
        until(acknowledged(sent, 10))
        inbox.deliver(sink)
    actor.act(10)
    began_s = time.monotonic()
    with learner(tmp_path, where) as (inbox, _):
        until(acknowledged(sent, 20))
        assert time.monotonic() - began_s < 5.0
        inbox.deliver(sink)
        assert sink.rewards == list(range(20))
        sent.close()


def test_a_simulation_is_told_to_wait(tmp_path):
    actor = Actor(tmp_path / "spool")
    with learner(tmp_path, ahead=5) as (inbox, where), courier(actor, where) as sent:
        actor.act(8)
        until(acknowledged(sent, 8))
        until(lambda: not sent.receipt.go)
        inbox.deliver(Kept())
        until(lambda: sent.receipt.go)
        inbox.owes(6)
        until(lambda: not sent.receipt.go)


def test_two_actors_with_one_number(tmp_path, monkeypatch):
    monkeypatch.setattr("robot_rl.training.apart.courier._TAKEN_S", 0.5)
    actor = Actor(tmp_path / "spool")
    with learner(tmp_path) as (inbox, where), courier(actor, where) as sent:
        until(lambda: inbox.connected == {LANE})
        with pytest.raises(ConfigError, match="actor 3 is at work already"):
            first_welcome(where, TOKEN, LANE, 60.0)
        actor.act(4)
        until(acknowledged(sent, 4))
        with pytest.raises(ConfigError, match="the actors 0 to 3, none 4"):
            first_welcome(where, TOKEN, LANE + 1, 60.0)


def test_another_token_is_turned_away(tmp_path, caplog):
    with learner(tmp_path) as (_, where):
        with pytest.raises(ConfigError, match="another token"):
            first_welcome(where, b"not the one that it has", LANE, 60.0)
        until(lambda: "another token, and was turned away" in caplog.text)
        assert first_welcome(where, TOKEN, LANE, 60.0).config == {"seed": 3}


def test_actor_and_learner_of_two_versions(tmp_path, monkeypatch):
    with learner(tmp_path) as (_, where):
        link = wire.dial(where, TOKEN)
        link.send({"kind": "Hello", "actor": LANE, "protocol": 2, "news": True})
        answer, _ = letters.receive(link)
        assert isinstance(answer, letters.Refusal)
        assert "different versions (2 there, 1 here)" in answer.refused


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"", bytes(300)])
def test_strangers_disturb_nobody(tmp_path, said):
    actor = Actor(tmp_path / "spool")
    with learner(tmp_path) as (_, where), socket.create_connection(where) as stranger:
        stranger.sendall(said)
        with courier(actor, where) as sent:
            actor.act(4)
            until(acknowledged(sent, 4))


def test_without_a_learner_an_actor_gives_up_and_keeps_what_it_has(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nowhere = free.getsockname()[:2]
    with pytest.raises(EnvWorkerError, match=r"no learner answered.*start the learner"):
        first_welcome(nowhere, TOKEN, LANE, 0.3)
    actor = Actor(tmp_path / "spool")
    with courier(actor, nowhere, patience_s=0.3) as sent:
        actor.act(4)
        until(lambda: sent.error is not None)
        with pytest.raises(EnvWorkerError):
            sent.require_sound()
    assert Actor(tmp_path / "spool").steps == 4, "the courier left the folder to others"


def test_a_learner_whose_disk_is_full_says_so_and_the_actor_keeps_its_steps(tmp_path, monkeypatch):
    def full(record, raw):
        raise OSError(28, "No space left on device")

    actor, sink = Actor(tmp_path / "spool"), Kept()
    with learner(tmp_path) as (inbox, where), courier(actor, where) as sent:
        actor.act(4)
        until(acknowledged(sent, 4))
        with monkeypatch.context() as patch:
            # The spool writes through the same call: only the learner's thread meets the full disk.
            journal = inbox._intakes[LANE].journal
            patch.setattr(journal, "append", full)
            actor.act(4)
            until(lambda: inbox._error is not None)
            with pytest.raises(OutOfSpaceError, match="they keep it until then"):
                inbox.deliver(sink)
        inbox._error = None  # as a learner that was started again
        until(acknowledged(sent, 8))
        inbox.deliver(sink)
        assert sink.rewards == list(range(8))


def test_what_goes_wrong_in_the_courier_is_told_to_the_collector(tmp_path, monkeypatch):
    actor = Actor(tmp_path / "spool")

    def broken(version):
        raise RuntimeError("something that nobody foresaw")

    with learner(tmp_path) as (_, where):
        monkeypatch.setattr(actor.spool, "parcel", broken)
        with courier(actor, where) as sent:
            until(lambda: sent.error is not None)
            with pytest.raises(RuntimeError, match="nobody foresaw"):
                sent.require_sound()


def test_who_connects_while_the_inbox_closes_is_not_served(tmp_path):
    with learner(tmp_path) as (inbox, where):
        link = socket.create_connection(where)
        until(lambda: inbox._wires)
        inbox.close()
        link.settimeout(5.0)
        while link.recv(4096):  # its question for the token, then the end
            pass
        link.close()
        assert inbox.connected == set()


def test_more_strangers_than_there_is_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr("robot_rl.training.apart.inbox._STRANGERS", 2)
    actor = Actor(tmp_path / "spool")
    with learner(tmp_path) as (inbox, where):
        links = [socket.create_connection(where) for _ in range(20)]
        until(lambda: len(inbox._threads) > 0)
        for link in links:
            link.close()
        with courier(actor, where) as sent:
            actor.act(4)
            until(acknowledged(sent, 4))


def test_an_address_that_is_taken_or_none():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(HardwareError, match="nobody can listen"),
    ):
        wire.listen(server.getsockname()[:2])
    for text in ("5599", "host:", "host:99999", ":1"):
        with pytest.raises(ConfigError, match="is no address"):
            wire.parsed(text)


def test_a_learner_that_falls_silent_is_left(tmp_path, monkeypatch):
    """A cable is pulled: nothing comes and nothing ends."""
    monkeypatch.setattr(wire, "SILENCE_S", 1.0)
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: accepted.append(server.accept()), daemon=True)
        thread.start()
        began_s = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT011 - whatever the system calls it
            wire.dial(server.getsockname()[:2], TOKEN)
        assert 0.9 < time.monotonic() - began_s < 10.0


def test_weights_survive_the_journey():
    state = {"a": {"b": np.float64(2.0).item(), "c": [torch.eye(2), 3]}, "n": {1: torch.ones(1)}}
    tree, tensors = letters.packed(state)
    back = letters.unpacked(tree, tensors)
    assert back["a"]["b"] == 2.0
    torch.testing.assert_close(back["a"]["c"][0], torch.eye(2))
    assert list(back["n"]) == [1]

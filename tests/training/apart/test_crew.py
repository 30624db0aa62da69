"""Who starts actors anew, and when nobody does; and how long a simulation waits."""

import sys
import time

import pytest

from robot_rl.errors import EnvWorkerError
from robot_rl.training.apart.acting import Acting
from robot_rl.training.apart.crew import LocalCrew
from robot_rl.training.apart.letters import Receipt


def crew(tmp_path, script):
    path = tmp_path / "actor.py"
    path.write_text(script)
    return LocalCrew([[sys.executable, str(path), str(tmp_path / "begun")]], [tmp_path / "log"])


def begun(tmp_path):
    path = tmp_path / "begun"
    return len(path.read_text().splitlines()) if path.exists() else 0


def keep_up(made, connected, holds, within_s=20.0):
    """Whether an actor left, once `holds` does."""
    deadline_s, left = time.monotonic() + within_s, False
    while not (holds() or left):
        assert time.monotonic() < deadline_s, "it did not come to that"
        left = made.keep_up(connected())
        time.sleep(0.01)
    return left


_BEGIN = "import os, signal, sys, time; open(sys.argv[1], 'a').write('x\\n'); "


@pytest.fixture(autouse=True)
def no_grace(monkeypatch):
    monkeypatch.setattr("robot_rl.training.apart.crew._GRACE_S", 0.0)


def test_one_that_was_killed_is_started_anew(tmp_path):
    made = crew(tmp_path, _BEGIN + "os.kill(os.getpid(), signal.SIGKILL)")
    assert not keep_up(made, set, lambda: begun(tmp_path) >= 5)
    made.stop()


def test_one_that_left_in_order_ends_the_session(tmp_path):
    made = crew(tmp_path, _BEGIN + "sys.exit(0)")
    assert keep_up(made, set, lambda: False)
    assert begun(tmp_path) == 1


def test_one_that_fails_at_its_start_is_tried_three_times(tmp_path):
    made = crew(tmp_path, _BEGIN + "sys.exit('robot-rl: no camera')")
    with pytest.raises(EnvWorkerError, match="ended 3 times before it began: robot-rl: no camera"):
        keep_up(made, set, lambda: False)
    assert begun(tmp_path) == 3


def test_a_robot_that_stopped_is_not_set_in_motion_again(tmp_path):
    """An error after it had begun wants a hand."""
    script = "time.sleep(0.5); sys.exit('robot-rl: the robot is stopped')"
    made = crew(tmp_path, _BEGIN + script)
    seen = []

    def connected():
        seen.append(begun(tmp_path))
        return {0} if sum(seen) == 1 else set()

    with pytest.raises(EnvWorkerError, match="ended by itself: robot-rl: the robot is stopped"):
        keep_up(made, connected, lambda: False)
    assert begun(tmp_path) == 1


class Stub:
    """A collector and its courier in one, of which the learner has gone."""

    stop_wished = done = False
    receipt = Receipt(steps=0, total=50, version=1, go=True, done=False)

    def __init__(self):
        self.unacknowledged, self.random = 0, []

    def start(self): ...
    def close(self): ...
    def require_sound(self): ...

    def weights(self):
        return {}

    def load_state_dict(self, state): ...

    def act(self, random):
        self.random.append(random)

    def receive(self):
        self.unacknowledged += 1


@pytest.mark.parametrize(("ahead_steps", "most"), [(20, 21), (None, 200)])
def test_a_simulation_waits_for_a_learner_that_is_gone_and_a_robot_does_not(ahead_steps, most):
    stub = Stub()
    turns = iter(range(200))
    acting = Acting(stub, stub, stub, seed_steps=60, ahead_steps=ahead_steps)
    acting.run(lambda: next(turns, None) is None)
    assert most - 2 <= stub.unacknowledged <= most
    assert stub.random[:10] == [True] * 10
    assert not any(stub.random[10:]), "steps that are on their way count, too"

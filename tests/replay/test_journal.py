"""What was collected survives a killed process."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_rl.errors import CorruptFileError, OutOfSpaceError
from robot_rl.replay import Replay, Transitions
from robot_rl.replay import journal as journal_module
from robot_rl.replay.journal import Journal
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO
from tests.conftest import make_interface, random_obs

INTERFACE = make_interface(cameras=2, size=16, proprio=2, actions=2)


def new_replay() -> Replay:
    return Replay(2000, Transitions(), INTERFACE, 1, seed=0)


def write_episodes(directory: Path, lengths: list[int]) -> Replay:
    rng = np.random.default_rng(0)
    journal, replay = Journal(directory, 0, INTERFACE, 2000), new_replay()
    for length in lengths:
        obs = random_obs(INTERFACE, rng)
        journal.begin(obs)
        replay.begin(0, obs)
        for t in range(length):
            action = rng.uniform(-1, 1, 2).astype(np.float32)
            step = Step(action, float(t) / 7, t == length - 1, False)
            obs = random_obs(INTERFACE, rng)
            journal.add(step, obs)
            replay.add(0, step, obs)
    journal.close()
    return replay


def assert_same(a: Replay, b: Replay) -> None:
    rows = int(a.storage.head[0])
    assert rows == int(b.storage.head[0])
    for name in ("action", "reward", "terminated", "has_action", "episode_step", "proprio"):
        np.testing.assert_array_equal(
            getattr(a.storage, name)[:rows], getattr(b.storage, name)[:rows]
        )
    for key in a.storage.frames:
        stored = np.arange(rows)
        np.testing.assert_array_equal(
            a.storage.frames[key].take(stored), b.storage.frames[key].take(stored)
        )


def test_restoring_gives_the_replay_back(tmp_path):
    written, restored = write_episodes(tmp_path, [3, 1, 5]), new_replay()
    assert Journal(tmp_path, 0, INTERFACE, 2000).restore(restored) == 9
    assert_same(written, restored)


def test_a_torn_tail_is_cut_with_a_warning_at_any_byte(tmp_path, caplog):
    write_episodes(tmp_path, [4])
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for cut in (1, 7, 100, len(whole) // 5 - 1):
        path.write_bytes(whole[:-cut])
        restored = new_replay()
        assert Journal(tmp_path, 0, INTERFACE, 2000).restore(restored) == 3
        assert "torn record" in caplog.text
        caplog.clear()


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path, caplog):
    write_episodes(tmp_path, [4])
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(bytes(data))
    assert Journal(tmp_path, 0, INTERFACE, 2000).restore(new_replay()) == 3


def test_damage_in_the_middle_of_a_file_is_an_error_and_nothing_is_cut(tmp_path):
    write_episodes(tmp_path, [9])
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[80] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptFileError, match=r"damaged at byte 0: a record fails its checksum"):
        Journal(tmp_path, 0, INTERFACE, 2000).restore(new_replay())
    path.write_bytes(b"RRL1" + bytes(data[4:]))
    with pytest.raises(CorruptFileError, match="another version may have written it"):
        Journal(tmp_path, 0, INTERFACE, 2000).restore(new_replay())
    assert path.stat().st_size == len(data)


def test_zeros_that_a_file_system_left_are_a_torn_tail(tmp_path):
    write_episodes(tmp_path, [4])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + bytes(500))
    assert Journal(tmp_path, 0, INTERFACE, 2000).restore(new_replay()) == 4


def test_whoever_only_reads_cuts_nothing(tmp_path, caplog):
    write_episodes(tmp_path, [4])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    torn = path.read_bytes()
    (episode,) = list(Journal(tmp_path, 0, INTERFACE, 2000).episodes())
    assert len(episode) == 1 + 3
    assert path.read_bytes() == torn
    assert "passing over a torn record" in caplog.text


def test_damage_before_later_files_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "_SEGMENT_ROWS", 4)
    write_episodes(tmp_path, [6])
    first = sorted(tmp_path.iterdir())[0]
    first.write_bytes(first.read_bytes()[:-3])
    with pytest.raises(CorruptFileError, match="damaged at byte"):
        Journal(tmp_path, 0, INTERFACE, 2000).restore(new_replay())


def test_old_segments_go_and_steps_are_still_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "_SEGMENT_ROWS", 10)
    rng = np.random.default_rng(0)
    journal = Journal(tmp_path, 0, INTERFACE, keep_rows=20)
    journal.begin(random_obs(INTERFACE, rng))
    for _ in range(99):
        journal.add(Step(np.zeros(2, np.float32), 0.0, False, False), random_obs(INTERFACE, rng))
    # 100 records in segments of 10; when the last was opened 89 steps were recorded, and those
    # that ended before step 69 went.
    assert [path.name[-10:-5] for path in journal.segments()] == ["00069", "00079", "00089"]
    assert Journal(tmp_path, 0, INTERFACE, keep_rows=20).restore(new_replay()) == 99


def test_restarts_do_not_push_old_steps_out(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(6):  # six processes, a short segment each
        journal = Journal(tmp_path, 0, INTERFACE, keep_rows=20)
        journal.restore(new_replay())
        journal.begin(random_obs(INTERFACE, rng))
        for _ in range(3):
            step = Step(np.zeros(2, np.float32), 0.0, False, False)
            journal.add(step, random_obs(INTERFACE, rng))
        journal.close()
    replay = new_replay()
    assert Journal(tmp_path, 0, INTERFACE, keep_rows=20).restore(replay) == 18
    assert len(replay) == 18


def test_records_of_another_task_are_refused(tmp_path):
    write_episodes(tmp_path, [2])
    other = make_interface(cameras=1, size=16)
    replay = Replay(100, Transitions(), other, 1, seed=0)
    with pytest.raises(CorruptFileError, match="written by another task"):
        Journal(tmp_path, 0, other, 100).restore(replay)


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    rng = np.random.default_rng(0)
    journal = Journal(tmp_path, 0, INTERFACE, 2000)
    journal.begin(random_obs(INTERFACE, rng))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    written = 0

    def write_until_full() -> None:
        nonlocal written
        for written in range(1000):  # noqa: B007 (counts what was written)
            step = Step(np.zeros(2, np.float32), 0.0, False, False)
            journal.add(step, random_obs(INTERFACE, rng))

    try:
        with pytest.raises(OutOfSpaceError, match="Free some space"):
            write_until_full()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert Journal(tmp_path, 0, INTERFACE, 2000).restore(new_replay()) == written > 0


_WRITER = """
import sys
import numpy as np
from pathlib import Path
from robot_rl.replay.journal import Journal
from robot_rl.replay.storage import Step
from tests.replay.test_journal import INTERFACE, new_replay
from tests.conftest import random_obs
rng = np.random.default_rng(0)
journal = Journal(Path(sys.argv[1]), 0, INTERFACE, 10**6)
steps = journal.restore(new_replay())
journal.begin(random_obs(INTERFACE, rng))
while True:
    obs = random_obs(INTERFACE, rng)
    obs["proprio"][0] = steps
    journal.add(Step(np.zeros(2, np.float32), 0.0, False, False), obs)
    steps += 1
    print(steps, flush=True)
"""


def test_kill_9_loses_at_most_one_step_and_doubles_none(tmp_path, repository):
    rng = np.random.default_rng(5)
    known = 0
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=repository,
        )
        assert writer.stdout is not None
        for _ in range(int(rng.integers(2, 60))):
            known = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split()
        known = int(rest[-1]) if rest and rest[-1].isdigit() else known
        writer.wait()
    replay = new_replay()
    steps = Journal(tmp_path, 0, INTERFACE, 10**6).restore(replay)
    assert known <= steps <= known + 1
    rows = np.flatnonzero(replay.storage.has_action)
    numbers = replay.storage.proprio[rows + 1, 0].astype(int)
    assert PROPRIO in random_obs(INTERFACE, rng)
    assert sorted(numbers) == list(range(steps))

"""Bags: whole or not there, drops counted, and a full disk that costs one episode at most."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rosbags.rosbag2 import Reader

from robot_rl.episodes.bag_writer import BagWriter
from robot_rl.episodes.bags import custom_data, typestore
from robot_rl.errors import RobotRLError, RunDirectoryError

TOPICS = {"/flag": "std_msgs/msg/Bool"}


def message(value: bool) -> bytes:
    store = typestore()
    return bytes(store.serialize_cdr(store.types["std_msgs/msg/Bool"](data=value), TOPICS["/flag"]))


def test_an_episode_is_hidden_until_it_is_whole(tmp_path):
    writer = BagWriter(tmp_path, TOPICS)
    path = writer.start({"note": "first"})
    for i in range(5):
        writer.write("/flag", 10 * i, message(i % 2 == 0))
    assert not path.exists()
    assert writer.finish({"success": True}) == path
    with Reader(path) as reader:
        raw = [(stamp, bytes(data)) for _, stamp, data in reader.messages()]
    assert raw == [(10 * i, message(i % 2 == 0)) for i in range(5)]
    noted = {key: json.loads(value) for key, value in custom_data(path).items()}
    assert noted == {"note": "first", "success": True, "drops": 0}
    assert [p.name for p in path.iterdir() if p.suffix == ".mcap"] == [f"{path.name}.mcap"]


def test_episodes_are_numbered_and_one_at_a_time(tmp_path):
    writer = BagWriter(tmp_path, TOPICS)
    first = writer.start({})
    with pytest.raises(RunDirectoryError, match="being recorded"):
        writer.start({})
    writer.finish({})
    second = BagWriter(tmp_path, TOPICS).start({})
    assert (first.name[:14], second.name[:14]) == ("episode_000000", "episode_000001")
    with pytest.raises(RunDirectoryError, match="no episode"):
        writer.finish({})


def test_what_the_disk_cannot_take_is_dropped_and_counted(tmp_path):
    writer = BagWriter(tmp_path, TOPICS, queue_size=10)
    path = writer.start({})
    for i in range(100_000):
        writer.write("/flag", i, message(True) if i == 0 else b"\x00\x01\x00\x00\x01")
    drops = writer.drops
    writer.finish({})
    assert drops > 0
    with Reader(path) as reader:
        assert reader.message_count == 100_000 - drops
    assert custom_data(path)["drops"] == str(drops)


FULL = """
import resource, sys
from pathlib import Path
from robot_rl.episodes.bag_writer import BagWriter
from robot_rl.errors import RobotRLError
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
heard = []
writer = BagWriter(Path(sys.argv[1]), {"/flag": "std_msgs/msg/Bool"}, on_error=heard.append)
writer.start({})
writer.write("/flag", 1, bytes([0, 1, 0, 0, 1]))
kept = writer.finish({})
writer.start({})
import time
while not heard:
    writer.write("/flag", 1, bytes([0, 1, 0, 0]) + bytes(1000))
    time.sleep(0.0001)
try:
    writer.finish({})
except RobotRLError as error:
    print(kept.exists(), error)
writer.start({})
print(writer.finish({}).exists())
"""


def test_a_full_disk_costs_the_episode_alone(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("True the episode was not recorded: File too large")
    assert second == "True"
    assert not any((tmp_path / ".partial").iterdir())


def test_a_folder_that_cannot_be_written_is_said_at_once():
    with pytest.raises(RobotRLError, match="cannot record to /proc/nothing"):
        BagWriter(Path("/proc/nothing"), TOPICS)

"""What a killed node leaves in memory is removed; what a living one uses is not."""

import os
import time
from pathlib import Path

from benchmarks.ros_graph import START_S, Graph
from robot_rl_nodes.shared_memory import sweep

SHARED = Path("/dev/shm")


def segments() -> set[str]:
    """Names of the segments that have a lock file."""
    return {p.name.removesuffix("_el") for p in SHARED.glob("fastdds_*_el") if "port" not in p.name}


def started(graph: Graph, name: str) -> str:
    """The segment that the node makes."""
    before, end_s = segments(), time.monotonic() + START_S
    graph.start(name, executable="sim_robot_node")
    while not (new := segments() - before):
        assert time.monotonic() < end_s
        time.sleep(0.05)
    (segment,) = new
    while not (SHARED / segment).stat().st_size:
        assert time.monotonic() < end_s
    return segment


def test_only_what_a_killed_node_left_is_removed():
    with Graph() as graph:
        killed, alive = started(graph, "killed"), started(graph, "alive")
        graph.kill("killed")
        assert (SHARED / killed).stat().st_size > 16e6
        sweep(older_than_s=60.0)
        assert {killed, alive} <= segments()  # too young to be sure
        assert sweep(older_than_s=0.0) >= 1
        assert alive in segments()
        assert (SHARED / alive).exists()
        assert killed not in segments()
        assert not (SHARED / killed).exists()


def test_a_node_that_starts_removes_what_was_left():
    left = (SHARED / f"fastdds_{'0' * 16}", SHARED / f"fastdds_{'0' * 16}_el")
    for path in left:
        path.touch()
        _age(path)
    with Graph() as graph:
        started(graph, "alive")
        assert not any(path.exists() for path in left)


def test_other_files_stay(tmp_path):
    other = [tmp_path / "fastdds_port7412_el", tmp_path / "fast_el", tmp_path / "fastdds_12_el"]
    for path in other:
        path.touch()
        _age(path)
    assert sweep(folder=tmp_path) == 0
    assert all(path.exists() for path in other)


def _age(path: Path) -> None:
    os.utime(path, (0.0, 0.0))

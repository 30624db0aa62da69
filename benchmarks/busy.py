"""A robot in motion beside busy cores: how often it stops, and who waits for a processor.

A stop is mended as an operator would, and counted.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.ros_graph import steady_policy
from benchmarks.ros_robot import Robot, robot
from benchmarks.timing import Row

TITLE = "a robot beside busy cores"
_CREEP = (0.0, 0.004, 0.0)  # 1.2 mm/s: in motion for minutes
_BUSY_CORES = (0, 1, 2)
_SECONDS = 60.0


def run() -> list[Row]:
    """A minute each beside no, one and two processes that do nothing but compute."""
    return [row for cores in _BUSY_CORES for row in _measure(cores)]


@contextmanager
def busy(cores: int) -> Iterator[None]:
    loop = "while True: sum(range(10000))"
    hogs = [subprocess.Popen([sys.executable, "-S", "-c", loop]) for _ in range(cores)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def _measure(cores: int) -> list[Row]:
    with robot(policy=None) as r:
        folder = steady_policy(r.graph.root, _CREEP)
        r.graph.start("policy_node", {"policy": str(folder)})
        r.move()
        with busy(cores):
            return _watch(r, f"beside {cores} busy cores")


def _watch(r: Robot, where: str) -> list[Row]:
    stops, began_s = 0, time.monotonic()
    before = {name: _waited_s(process.pid) for name, process in r.graph.processes.items()}
    seen = len(r.probe.twists)
    while time.monotonic() < began_s + _SECONDS:
        time.sleep(0.05)
        if r.probe.stopped:
            stops += 1
            r.recover()
    waited = {n: _waited_s(p.pid) - before[n] for n, p in r.graph.processes.items()}
    gaps_ms = 1e3 * np.diff([at_s for at_s, _ in r.probe.twists[seen:]])
    last = max(waited, key=lambda name: waited[name])
    return [
        Row(f"stops in a minute, {where}", float(stops), "", "0"),
        Row(f"between two commands, p99, {where}", float(np.percentile(gaps_ms, 99)), "ms"),
        Row(
            f"waiting for a processor, {last}, {where}",
            100 * waited[last] / _SECONDS,
            "% of the time",
        ),
    ]


def _waited_s(pid: int) -> float:
    """How long the threads of a process have stood in line so far."""
    found = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return 1e-9 * sum(int(stat.read_text().split()[1]) for stat in found)

"""A robot in motion beside busy cores: where the time of every node goes, and how often it stops.

`python -m benchmarks.busy --hogs 1 --seconds 30` prints a table: per node the threads, the
processor time, and the time that its threads waited for a processor; then the time from a
picture's stamp to the command that the arm got, and every stop with its reason.
"""

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ros_graph import steady_policy
from benchmarks.ros_robot import Robot, robot

_CREEP = (0.0, 0.004, 0.0)  # 1.2 mm/s: in motion for minutes


@dataclass(frozen=True)
class Load:
    """Of all threads of one process since its start."""

    threads: int
    run_s: float
    wait_s: float

    @classmethod
    def of(cls, pid: int) -> "Load":
        found = [
            tuple(map(int, (task / "schedstat").read_text().split()))
            for task in Path(f"/proc/{pid}/task").iterdir()
        ]
        run_ns, wait_ns, _ = map(sum, zip(*found, strict=True))
        return cls(len(found), 1e-9 * run_ns, 1e-9 * wait_ns)


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    loop = "while True: sum(range(10000))"
    hogs = [subprocess.Popen([sys.executable, "-S", "-c", loop]) for _ in range(cores)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def measure(r: Robot, seconds: float) -> None:
    """Print one table. A stop is counted, and mended like an operator would."""
    from robot_rl_nodes import graph

    stops: Counter[str] = Counter()
    ages_ms: list[float] = []
    newest = [0.0]

    def see(message) -> None:  # noqa: ANN001
        newest[0] = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec

    from sensor_msgs.msg import Image

    r.probe.node.create_subscription(Image, "/camera/image_raw", see, graph.IMAGE_IN)
    before = {name: Load.of(p.pid) for name, p in r.graph.processes.items()}
    began_s = time.monotonic()
    while time.monotonic() < began_s + seconds:
        seen = len(r.probe.twists)
        time.sleep(0.05)
        ages_ms += [1e3 * (at_s - newest[0]) for at_s, _ in r.probe.twists[seen:]]
        if r.probe.stopped:
            r.probe.until(lambda: "safety" in r.probe.health, 5.0, "a reason")
            time.sleep(0.1)
            stops[r.probe.health["safety"].message] += 1
            r.recover()
    lasted_s = time.monotonic() - began_s
    for name, process in r.graph.processes.items():
        after = Load.of(process.pid)
        print(
            f"{name:18s}{after.threads:4d} threads"
            f"{100 * (after.run_s - before[name].run_s) / lasted_s:7.1f} % run"
            f"{100 * (after.wait_s - before[name].wait_s) / lasted_s:7.1f} % waiting"
        )
    print("stops:", dict(stops) or "none", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hogs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    with robot(policy=None) as r:
        folder = steady_policy(r.graph.root, _CREEP)
        r.graph.start("policy_node", {"policy": str(folder)})
        r.move()
        with busy(arguments.hogs):
            measure(r, arguments.seconds)


if __name__ == "__main__":
    main()

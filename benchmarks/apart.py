"""Actor and learner apart: what `kill -9` costs, how well an actor keeps its rate, an idle learner.

`python -m benchmarks.apart --csv FILE`; the machine should have nothing else to do.
"""

import argparse
import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.timing import Row, show, write_csv
from robot_rl.build.apart import build_acting, read_token
from robot_rl.deploy import urgency
from robot_rl.replay.record import LAYOUT, STEP
from robot_rl.training.apart.wire import parsed

_QUIET = ("eval_episodes=0", "final_eval_episodes=0", "video=false", "threads=1", "num_envs=0")
_SMALL = (
    *_QUIET,
    "task=arm/reach",
    "task.state=true",
    "agent=rlpd",
    "agent.seed_steps=0",
    "agent.ensemble_size=2",
    "agent.batch_size=4",
    "agent.network.hidden_dim=16",
    "replay_ratio=0.2",
    "replay.capacity=1000000",
    "checkpoint_every_s=2",
    "steps=1000000",
    "actors.count=1",
)
_START_S = 90.0
_IN_FLIGHT_S = 0.3  # what the dead actor had sent is written by then


@dataclass(frozen=True)
class Kill:
    """Who died; steps on disk before it that were not there afterwards; s until new ones came."""

    victim: str
    lost: int
    back_s: float


def learner(run_dir: Path, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "robot_rl.cli", "train", *settings, f"run_dir={run_dir}"]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def steps_on_disk(run_dir: Path) -> list[int]:
    """Checksums of all that is recorded, in order."""
    found = []
    segments = sorted((run_dir / "replay").glob("lane00-*.rows"))
    for path in segments:
        for meta, payload in LAYOUT.read(path):
            if meta[0] == STEP:
                found.append(hash(payload))
    return found


def recorded_bytes(run_dir: Path) -> int:
    return sum(path.stat().st_size for path in (run_dir / "replay").glob("*.rows"))


def actor_of(run_dir: Path) -> psutil.Process:
    """The one that runs, or will in a moment."""
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "act" in words and any(word.startswith(f"--spool={run_dir}/") for word in words):
                return process
        time.sleep(0.02)
    raise TimeoutError(f"no actor of {run_dir} runs")


def growth_s(run_dir: Path, before: int) -> float:
    """How long until more than `before` bytes are recorded."""
    began_s = time.monotonic()
    while recorded_bytes(run_dir) <= before:
        if time.monotonic() - began_s > _START_S:
            raise TimeoutError(f"nothing new in {run_dir}")
        time.sleep(0.005)
    return time.monotonic() - began_s


def listens(run_dir: Path) -> None:
    """Until the learner answers at its address."""
    address = parsed((run_dir / "actors/address").read_text())
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError), socket.create_connection(address, 1.0):
            return
        time.sleep(0.01)
    raise TimeoutError(f"no learner at {address}")


def kills(count: int, run_dir: Path) -> tuple[list[Kill], list[int]]:
    """What each kill cost, and all that was recorded in the end."""
    rng = random.Random(0)
    running, found = learner(run_dir, _SMALL), []
    growth_s(run_dir, 0)
    try:
        for _ in range(count):
            time.sleep(rng.uniform(0.5, 2.5))
            victim = rng.choice(("actor", "learner"))
            before = steps_on_disk(run_dir)
            began_s = time.monotonic()
            if victim == "actor":
                actor_of(run_dir).kill()
                time.sleep(_IN_FLIGHT_S)
                size = recorded_bytes(run_dir)
            else:
                running.kill()
                running.wait()
                size = recorded_bytes(run_dir)
                running = learner(run_dir, _SMALL)
                listens(run_dir)
                began_s = time.monotonic()
            growth_s(run_dir, size)
            back_s = time.monotonic() - began_s
            after = steps_on_disk(run_dir)
            lost = sum(a != b for a, b in zip(before, after, strict=False))
            found.append(Kill(victim, lost + max(0, len(before) - len(after)), back_s))
    finally:
        running.terminate()
        running.wait()
    return found, steps_on_disk(run_dir)


def rate(run_dir: Path, seconds: float) -> list[tuple[float, bool]]:
    """When actions were sent to a robot in real time, and whether each was an episode's first,
    while a learner learned from pixels in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    robot = ("robot=sim_arm", "task=arm/lift", "agent=drqv2", "agent.seed_steps=50")
    apart = ("actors.count=1", "actors.where=elsewhere", f"actors.address={address}")
    running = learner(run_dir, [*_QUIET, *robot, *apart, "steps=1000000", "replay_ratio=4"])
    sent: list[tuple[float, bool]] = []
    try:
        while not (run_dir / "token").exists():
            time.sleep(0.05)
        token = read_token(run_dir / "token")
        acting = build_acting(parsed(address), token, 0, run_dir / "spool", _START_S, lambda: False)
        assert acting is not None
        urgency.hurry(urgency.MIND)  # as `robot-rl act` does
        envs = acting._collector._envs
        send = envs.send

        def noted(*arguments: object) -> None:
            first = acting._collector._episodes[0].length == 0
            sent.append((time.monotonic(), first))
            send(*arguments)  # type: ignore[arg-type]

        envs.send = noted  # type: ignore[method-assign]
        until_s = time.monotonic() + seconds
        acting.run(lambda: time.monotonic() > until_s)
    finally:
        running.terminate()
        running.wait()
    return sent


def period_errors_ms(sent: Sequence[tuple[float, bool]], period_s: float = 0.1) -> np.ndarray:
    """Within episodes: between them the scene is set up."""
    times, firsts = np.array([at for at, _ in sent]), np.array([first for _, first in sent])
    return 1e3 * np.abs(np.diff(times)[~firsts[1:]] - period_s)


def idle_share(run_dir: Path, seconds: float) -> float:
    """Of a core, by a learner whose actors have not come yet."""
    running = learner(run_dir, [*_SMALL, "actors.where=elsewhere"])
    try:
        while not (run_dir / "actors/address").exists():
            time.sleep(0.05)
        time.sleep(5.0)
        process = psutil.Process(running.pid)
        before, began_s = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(seconds)
        return (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began_s)
    finally:
        running.terminate()
        running.wait()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as root:
        yield Path(root) / "run"


def main(count: int, seconds: float, csv: str) -> None:
    measured = {}
    with _folder() as run_dir:
        found, recorded = kills(count, run_dir)
    backs = {
        who: [kill.back_s for kill in found if kill.victim == who] for who in ("actor", "learner")
    }
    measured["kill -9 of actor or learner"] = [
        Row("kills", len(found), ""),
        Row("steps recorded", len(recorded), "steps"),
        Row("recorded steps lost or changed", sum(kill.lost for kill in found), "steps", "0"),
        Row("steps recorded twice", len(recorded) - len(set(recorded)), "steps", "0"),
        Row("learner listens again to a new step, median", np.median(backs["learner"]), "s"),
        Row("learner listens again to a new step, worst", max(backs["learner"]), "s", "5"),
        Row("actor killed to a new step, median", np.median(backs["actor"]), "s"),
        Row("actor killed to a new step, worst", max(backs["actor"]), "s", "5"),
    ]
    with _folder() as run_dir:
        share = idle_share(run_dir, 20.0)
    measured["a learner without actors"] = [Row("share of a core", share, "", "0.05")]
    with _folder() as run_dir:  # last: this process is in a hurry from here on
        errors = period_errors_ms(rate(run_dir, seconds))
    measured["10 Hz beside a learner on the other core"] = [
        Row("periods", len(errors), ""),
        Row("period error, median", float(np.median(errors)), "ms"),
        Row("period error, p99", float(np.percentile(errors, 99)), "ms", "10"),
        Row("period error, worst", float(errors.max()), "ms"),
    ]
    for title, rows in measured.items():
        show(title, rows)
    if csv:
        write_csv(Path(csv), measured)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--seconds", type=float, default=180.0)
    options.add_argument("--csv", default="")
    chosen = options.parse_args()
    main(chosen.kills, chosen.seconds, chosen.csv)

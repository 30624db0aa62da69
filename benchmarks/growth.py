"""Time and memory of an environment step as a run grows old."""

import gc
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.replay import interface
from benchmarks.timing import Row
from robot_rl.replay import Replay, Transitions
from robot_rl.replay.journal import Journal
from robot_rl.replay.storage import Step

TITLE = "growth over 200,000 steps (journal, replay and sampling; capacity 20,000)"
_STEPS, _CAPACITY = 200_000, 20_000


def run() -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="robot-rl-growth-"))
    try:
        times, memory, disk = _collect(folder)
    finally:
        shutil.rmtree(folder)
    tenth = _STEPS // 10
    early, late = np.median(times[2 * tenth : 3 * tenth]), np.median(times[-tenth:])
    return [
        Row("step, third tenth of the run", 1e3 * float(early), "ms"),
        Row("step, last tenth of the run", 1e3 * float(late), "ms"),
        Row("late / early", float(late / early), "times", "<= 1.1"),
        Row("memory gained after the third tenth", memory, "MB", "<= 20"),
        Row("journal on disk", disk, "MB"),
    ]


def _collect(folder: Path) -> tuple[np.ndarray, float, float]:
    face, rng = interface(32), np.random.default_rng(0)
    replay = Replay(_CAPACITY, Transitions(), face, 1, seed=0)
    journal = Journal(folder, 0, face, _CAPACITY)
    frames = rng.integers(0, 256, (64, 32, 32, 3), np.uint8)
    step, times, baseline = Step(np.zeros(6, np.float32), 1.0, False, False), np.zeros(_STEPS), 0.0
    for i in range(_STEPS):
        start = time.perf_counter()
        obs = {face.cameras[0].key: frames[i % 64]}
        if i % 51 == 0:
            journal.begin(obs)
            replay.begin(0, obs)
        else:
            journal.add(step, obs)
            replay.add(0, step, obs)
        if i > 100 and i % 10 == 0:
            replay.sample(16)
        times[i] = time.perf_counter() - start
        if i == 3 * _STEPS // 10:
            baseline = _resident_mb()
    disk = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    journal.close()
    return times, _resident_mb() - baseline, disk


def _resident_mb() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6

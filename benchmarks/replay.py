"""Memory of the replay, and the time that drawing, loading and rewriting take."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.timing import Row, median_s
from robot_rl.replay import Replay, Transitions
from robot_rl.replay.draws import Draws
from robot_rl.replay.journal import KEEP_ALL, Journal
from robot_rl.replay.overlay import RewardOverlay
from robot_rl.replay.storage import Step, row_bytes
from robot_rl.types import ActionField, CameraField, Interface, Observation

TITLE = "replay"
_FILLED, _JOURNALLED, _MANY = 60_000, 10_000, 1_000_000


def interface(size: int = 84) -> Interface:
    camera = CameraField(name="front", height=size, width=size, rate_hz=10.0)
    fields = tuple(
        ActionField(name=f"a{i}", unit="1", scale=1.0, kind="displacement", hold=0.0)
        for i in range(6)
    )
    return Interface(
        task="bench/replay", control_rate_hz=10.0, cameras=(camera,), proprio=(), actions=fields
    )


def filled(
    rows: int,
    capacity: int,
    size: int = 84,
    frame_stack: int = 3,
    nstep: int = 3,
    draws: Draws | None = None,
) -> Replay:
    """A replay of random frames in episodes of 125 steps."""
    face = interface(size)
    draws = draws or Transitions(frame_stack=frame_stack, nstep=nstep)
    replay = Replay(capacity, draws, face, 1, seed=0)
    for step, obs in _steps(face, rows):
        if step is None:
            replay.begin(0, obs)
        else:
            replay.add(0, step, obs)
    return replay


def _steps(face: Interface, rows: int) -> Iterator[tuple[Step | None, Observation]]:
    """Every fourth step is a human's."""
    rng, camera = np.random.default_rng(0), face.cameras[0]
    frames = rng.integers(0, 256, (64, camera.height, camera.width, 3), np.uint8)
    for row in range(rows):
        ends = row % 126 == 125
        source = "policy" if row % 4 else "human"
        step = Step(np.zeros(6, np.float32), 1.0, ends, False, source)
        yield (None if row % 126 == 0 else step), {camera.key: frames[row % 64]}


def run() -> list[Row]:
    million = row_bytes(interface()) * 1_000_000 / 1e9
    return [Row("1,000,000 rows of 84x84", million, "GB", "<= 22"), *_drawing(), *_on_disk()]


def _drawing() -> list[Row]:
    replay = filled(_FILLED, _FILLED)
    small = filled(_FILLED, _FILLED, size=64, draws=Transitions(returns_to_go=True))
    small.transitions(1)  # settles the returns of what is there

    def draw(crossing: bool) -> float:
        return 1e3 * median_s(lambda: small.segments(16, 64, crossing))

    return [
        Row(
            f"batch of 256, 3 frames, n-step 3, of {_FILLED:,} rows",
            1e3 * median_s(lambda: replay.transitions(256)),
            "ms",
            "<= 5",
        ),
        *_kinds(),
        Row("16 segments of 64 steps, 64x64, in an episode", draw(False), "ms", "<= 10"),
        Row("16 segments of 64 steps, 64x64, across episodes", draw(True), "ms", "<= 10"),
        Row("256 segments of 3 steps, 64x64", 1e3 * median_s(lambda: small.segments(256, 3)), "ms"),
    ]


def _kinds() -> list[Row]:
    """Small frames of many rows: what finding the rows takes, not what copying them does."""
    rows = []
    for what, fraction in (("uniform", 0.0), ("half of it taught", 0.5)):
        replay = filled(_MANY, _MANY, size=8, draws=Transitions(taught_fraction=fraction))
        replay.transitions(1)  # indexes what is there
        took_ms = 1e3 * median_s(lambda r=replay: r.transitions(256))
        rows.append(Row(f"batch of 256 at 8x8 of {_MANY:,} rows, {what}", took_ms, "ms"))
    return rows


def _on_disk() -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="robot-rl-replay-"))
    try:
        face = interface(64)
        _write_journal(folder, face)
        replay = Replay(_JOURNALLED, Transitions(), face, 1, seed=0)
        start = time.perf_counter()
        Journal(folder, 0, face, KEEP_ALL).restore(replay)
        load_s = time.perf_counter() - start
        replay.keep_rewards(RewardOverlay(folder))
        return [
            Row(f"journal of {_JOURNALLED:,} rows of 64x64 into the replay", load_s, "s", "<= 2"),
            *_rewriting(replay, folder, face),
        ]
    finally:
        shutil.rmtree(folder)


def _write_journal(folder: Path, face: Interface) -> None:
    journal = Journal(folder, 0, face, KEEP_ALL)
    for step, obs in _steps(face, _JOURNALLED):
        if step is None:
            journal.begin(obs)
        else:
            journal.add(step, obs)
    journal.close()


def _rewriting(replay: Replay, folder: Path, face: Interface) -> list[Row]:
    rows, version = replay.rows(), 0

    def rewrite() -> None:
        nonlocal version
        version += 1
        replay.set_reward(rows, np.full(len(rows.step), float(version)), version)

    all_s = median_s(rewrite)
    again = Replay(_JOURNALLED, Transitions(), face, 1, seed=0)
    Journal(folder, 0, face, KEEP_ALL).restore(again)
    start = time.perf_counter()
    again.keep_rewards(RewardOverlay(folder))
    apply_s = time.perf_counter() - start
    return [
        Row(f"rewriting {len(rows.step):,} rewards, to disk", 1e3 * all_s, "ms"),
        Row(f"applying what {version:,} such calls left on disk", 1e3 * apply_s, "ms"),
    ]

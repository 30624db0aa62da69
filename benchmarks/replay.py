"""Memory and sampling time of the replay at the published size."""

import numpy as np

from benchmarks.timing import Row, median_s
from robot_rl.replay import Replay, ReplayConfig
from robot_rl.replay.storage import Step, row_bytes
from robot_rl.types import ActionField, CameraField, Interface

TITLE = "replay"
_FILLED = 60_000


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
    rows: int, capacity: int, size: int = 84, frame_stack: int = 3, nstep: int = 3
) -> Replay:
    """A replay of random frames in episodes of 125 steps."""
    face, rng = interface(size), np.random.default_rng(0)
    replay = Replay(
        ReplayConfig(capacity=capacity, frame_stack=frame_stack, nstep=nstep), face, 1, seed=0
    )
    frames = rng.integers(0, 256, (64, size, size, 3), np.uint8)
    step = Step(np.zeros(6, np.float32), 1.0, False, False)
    for row in range(rows):
        obs = {face.cameras[0].key: frames[row % 64]}
        if row % 126 == 0:
            replay.begin(0, obs)
        else:
            replay.add(0, step, obs)
    return replay


def run() -> list[Row]:
    replay = filled(_FILLED, _FILLED, frame_stack=3, nstep=3)
    sample = median_s(lambda: replay.sample(256))
    million = row_bytes(interface()) * 1_000_000 / 1e9
    return [
        Row("1,000,000 rows of 84x84", million, "GB", "<= 22"),
        Row(f"batch of 256, 3 frames, n-step 3, of {_FILLED:,} rows", 1e3 * sample, "ms", "<= 5"),
    ]

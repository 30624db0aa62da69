"""The episodes that a replay holds, as reward models see them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_rl.replay.buffer import Replay
from robot_rl.rewards.model import Clip
from robot_rl.types import PROPRIO, Rows


@dataclass(frozen=True)
class Replayed:
    """`rows` [T] and `own` [T] of the steps between the T + 1 observations of `clip`.

    `own` is what they are paid now; `version` [T] of that (0: as it was recorded).
    """

    rows: Rows
    clip: Clip
    own: np.ndarray
    version: np.ndarray


def replayed(replay: Replay, rows: Rows) -> Replayed | None:
    """The episode whose steps are `rows`; None where its beginning is gone."""
    segment = replay.segments_at(rows[:1], len(rows.step))
    if not len(segment.reward):
        return None
    clip = {key: _shown(key, x)[0] for key, x in segment.obs.items()}
    place, _ = replay.storage.find(rows.lane, rows.step)
    return Replayed(rows, clip, segment.reward[0], replay.storage.version[place])


def shown_after(replay: Replay, rows: Rows, steps: int, camera: str) -> np.ndarray:
    """uint8 [N, steps, H, W, 3]: what the `steps` steps from each of `rows` [N] on led to.

    They lie inside one episode, and all of them must be there.
    """
    segment = replay.segments_at(rows, steps)
    assert bool(segment.mask.all()), "steps that are gone show nothing"
    return _shown(camera, segment.obs[camera])[:, 1:]


def _shown(key: str, x: Any) -> np.ndarray:
    """Frames [..., 3, H, W] as [..., H, W, 3]; on the host, wherever the replay keeps them."""
    host = x if isinstance(x, np.ndarray) else x.cpu().numpy()
    return host if key == PROPRIO else np.moveaxis(host, -3, -1)


def episodes_of(replay: Replay, running: bool = False) -> Iterator[Rows]:
    """The steps of each episode whose beginning is there; of running ones, too, where asked."""
    rows = replay.rows()
    place, _ = replay.storage.find(rows.lane, rows.step)
    begins = replay.storage.episode_step[place] == 0
    starts = np.flatnonzero(begins)
    for start, end in zip(starts, [*starts[1:], len(place)], strict=True):
        mine = rows[start:end]
        same = mine.lane == mine.lane[0]  # a lane's oldest episode may have lost its beginning
        if running or _over(replay, mine[same]):
            yield mine[same]


def _over(replay: Replay, rows: Rows) -> bool:
    """Whether it terminated, another episode of the lane has begun since, or none ever will."""
    lane, storage = int(rows.lane[-1]), replay.storage
    if lane == storage.demo_lane or storage.steps[lane] > rows.step[-1] + 1:
        return True
    last, _ = storage.find(rows.lane[-1:], rows.step[-1:])
    return bool(storage.terminated[last[0]] or storage.episode_step[storage.newest(lane)] == 0)


def kept(replay: Replay, rows: Rows) -> np.ndarray:
    """bool [N]: which of the steps are there."""
    return replay.storage.find(rows.lane, rows.step)[1]

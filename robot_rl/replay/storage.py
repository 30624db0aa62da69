"""Row storage: what one environment step leaves behind, in rings of uint8 frames.

Every environment writes its own ring (a lane). A row is an observation and, once the action is
known, the action and what it brought. An episode of T steps takes T + 1 rows; the last has no
action. Rows are counted from the start of the run, so a row's place is `row % lane_rows`.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from robot_rl.errors import ConfigError, OutOfSpaceError
from robot_rl.types import AUTONOMOUS, PROPRIO, SOURCES, TAUGHT, CameraField, Interface, Observation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """What an action brought. Stored in the row of the observation it was chosen in.

    `action` is the one that was applied and `source` who chose it: one of `types.SOURCES`.
    `policy_action` and `human_action` are what each of them wanted, None where nobody asked.
    Steps in a row under one commander share a `segment`: the lane's count of steps at its start.
    `stamp_s` is when the next observation was taken, on the environment's clock; NaN if unknown.
    """

    action: np.ndarray
    reward: float
    terminated: bool
    truncated: bool
    source: str = "policy"
    policy_action: np.ndarray | None = None
    human_action: np.ndarray | None = None
    segment: int = 0
    stamp_s: float = math.nan

    @property
    def label(self) -> np.ndarray:
        """What the human would have done, where that is known, else what was done (DAgger)."""
        return self.action if self.human_action is None else self.human_action


def row_bytes(interface: Interface) -> int:
    """Bytes that one row takes."""
    frames = sum(3 * camera.height * camera.width for camera in interface.cameras)
    return frames + 4 * (interface.proprio_size + 2 * interface.action_size + 2) + 5


class HostFrames:
    """Planar frames uint8 [rows, 3, H, W] of one camera, in main memory."""

    def __init__(self, rows: int, camera: CameraField) -> None:
        self._frames = np.zeros((rows, 3, camera.height, camera.width), np.uint8)

    def put(self, row: int, frame: np.ndarray) -> None:
        """Store `frame` [H, W, 3] planar: a stack of frames is then a reshape from the encoder."""
        self._frames[row] = frame.transpose(2, 0, 1)

    def take(self, rows: np.ndarray) -> Any:
        """[*rows.shape, 3, H, W]."""
        return self._frames[rows]


# (rows, camera) -> where the frames of one camera are kept.
FrameStore = Callable[[int, CameraField], Any]


class Lanes:
    """`lanes` rings of `lane_rows` rows each, flat arrays indexed by `lane * lane_rows + place`.

    Raises `OutOfSpaceError` before allocating what does not fit into memory.
    """

    def __init__(
        self,
        interface: Interface,
        capacity: int,
        lanes: int,
        frame_store: FrameStore = HostFrames,
    ) -> None:
        if capacity < 2 * lanes:
            raise ConfigError(f"replay capacity {capacity} is too small for {lanes} environments.")
        self.lane_rows = capacity // lanes
        rows = self.lane_rows * lanes
        self.bytes = rows * row_bytes(interface)
        _require_memory(self.bytes, rows, interface)
        self.frames = {camera.key: frame_store(rows, camera) for camera in interface.cameras}
        self.proprio = np.zeros((rows, interface.proprio_size), np.float32)
        self.action = np.zeros((rows, interface.action_size), np.float32)
        self.reward = np.zeros(rows, np.float32)
        self.terminated = np.zeros(rows, bool)
        self.has_action = np.zeros(rows, bool)
        self.label = np.zeros((rows, interface.action_size), np.float32)
        self.source = np.zeros(rows, np.uint8)
        self.taught = np.zeros(rows, bool)  # a human or an expert chose the action
        self.takeover = np.zeros(rows, bool)  # a policy's step at whose end the human took over
        self.episode_step = np.zeros(rows, np.int32)
        self.head = np.zeros(lanes, np.int64)  # rows ever written, by lane

    @property
    def lanes(self) -> int:
        return len(self.head)

    def begin(self, lane: int, obs: Observation) -> None:
        """First observation of an episode."""
        self._append(lane, obs, episode_step=0)

    def extend(self, lane: int, step: Step, next_obs: Observation) -> None:
        """Complete the newest row of `lane` with `step` and append `next_obs`."""
        row = self.newest(lane)
        self.action[row] = step.action
        self.reward[row] = step.reward
        self.terminated[row] = step.terminated
        self.has_action[row] = True
        self.label[row] = step.label
        self.source[row] = SOURCES.index(step.source)
        self.taught[row] = step.source in TAUGHT
        self._mark_takeover(lane, row)
        self._append(lane, next_obs, episode_step=int(self.episode_step[row]) + 1)

    def _mark_takeover(self, lane: int, row: int) -> None:
        if not self.taught[row] or self.episode_step[row] == 0 or self.head[lane] < 2:
            return
        before = lane * self.lane_rows + int(self.head[lane] - 2) % self.lane_rows
        self.takeover[before] = SOURCES[self.source[before]] in AUTONOMOUS

    def newest(self, lane: int) -> int:
        """Flat index of the newest row of `lane`."""
        return lane * self.lane_rows + int(self.head[lane] - 1) % self.lane_rows

    def _append(self, lane: int, obs: Mapping[str, np.ndarray], episode_step: int) -> None:
        row = lane * self.lane_rows + int(self.head[lane]) % self.lane_rows
        for key, frames in self.frames.items():
            frames.put(row, obs[key])
        if self.proprio.shape[1]:
            self.proprio[row] = obs[PROPRIO]
        self.has_action[row] = False
        self.terminated[row] = False
        self.taught[row] = False
        self.takeover[row] = False
        self.episode_step[row] = episode_step
        self.head[lane] += 1


def _require_memory(needed: int, rows: int, interface: Interface) -> None:
    available = psutil.virtual_memory().available
    log.info("replay: %s rows, %.2f GB (%.2f GB free)", f"{rows:,}", needed / 1e9, available / 1e9)
    if needed > 0.95 * available:
        fits = int(0.9 * available / row_bytes(interface))
        raise OutOfSpaceError(
            f"a replay of {rows:,} rows takes {needed / 1e9:.1f} GB but "
            f"{available / 1e9:.1f} GB of memory is free. Set replay.capacity to at most {fits}."
        )

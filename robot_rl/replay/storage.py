"""Row storage: what one environment step leaves behind, in rings of uint8 frames.

Every environment writes its own ring (a lane), and demonstrations have one as large as they are. A
row is an observation and, once the action is known, the action and what it brought. An episode of T
steps takes T + 1 rows; the last has no action. Rows are counted from when they began to be written,
so a row's place in its lane is `row % size`.
"""

import logging
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from robot_rl.errors import ConfigError, OutOfSpaceError
from robot_rl.replay.gripper import GripperCommands
from robot_rl.types import AUTONOMOUS, PROPRIO, SOURCES, TAUGHT, CameraField, Interface, Observation

log = logging.getLogger(__name__)

# The rest is for everything else on the machine.
_SHARE_OF_FREE_MEMORY = 0.95


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


class Columns:
    """What is kept of every row besides its frames, flat arrays over all lanes."""

    def __init__(self, rows: int, interface: Interface) -> None:
        self.proprio = np.zeros((rows, interface.proprio_size), np.float32)
        self.action = np.zeros((rows, interface.action_size), np.float32)
        self.label = np.zeros((rows, interface.action_size), np.float32)
        self.reward = np.zeros(rows, np.float32)
        self.version = np.zeros(rows, np.int64)  # of the reward; 0 as it was recorded
        self.terminated = np.zeros(rows, bool)
        self.has_action = np.zeros(rows, bool)
        self.source = np.zeros(rows, np.uint8)
        self.taught = np.zeros(rows, bool)  # a human or an expert chose the action
        self.labelled = np.zeros(rows, bool)  # a human or an expert said what he would do
        self.takeover = np.zeros(rows, bool)  # a policy's step at whose end the human took over
        self.gripper_change = np.zeros(rows, bool)  # see `GripperCommands`
        self.episode_step = np.zeros(rows, np.int32)
        self.step = np.zeros(rows, np.int64)  # steps of the lane before this one: see `types.Rows`
        self.checksum = np.zeros(rows, np.uint32)  # of the step as it was recorded


def row_bytes(interface: Interface) -> int:
    """Bytes that one row takes."""
    frames = sum(3 * camera.height * camera.width for camera in interface.cameras)
    return frames + sum(column.nbytes for column in vars(Columns(1, interface)).values())


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


class Lanes(Columns):
    """A ring of rows per lane: `capacity` shared alike, and one of `demo_rows` where there are any.

    Raises `OutOfSpaceError` before allocating what does not fit into memory.
    """

    def __init__(
        self,
        interface: Interface,
        capacity: int,
        lanes: int,
        frame_store: FrameStore = HostFrames,
        demo_rows: int = 0,
    ) -> None:
        if capacity < 2 * lanes:
            raise ConfigError(f"replay capacity {capacity} is too small for {lanes} environments.")
        sizes = [capacity // lanes] * lanes + [demo_rows] * (demo_rows > 0)
        rows = sum(sizes)
        self.bytes = rows * row_bytes(interface)
        _require_memory(interface, rows, demo_rows)
        super().__init__(rows, interface)
        self.frames = {camera.key: frame_store(rows, camera) for camera in interface.cameras}
        self.size = np.array(sizes, np.int64)  # rows of each lane
        self._gripper = GripperCommands(interface, len(sizes))
        self.demo_lane = lanes if demo_rows else None
        self.first = np.cumsum(self.size) - self.size  # where each lane begins
        self.head = np.zeros(len(sizes), np.int64)  # rows ever written, by lane
        self.steps = np.zeros(len(sizes), np.int64)  # steps ever recorded, by lane

    @property
    def lanes(self) -> int:
        return len(self.head)

    @property
    def own_steps(self) -> int:
        """Steps ever recorded, less demonstrations."""
        return int(self.steps[: self.demo_lane].sum())

    @property
    def oldest(self) -> np.ndarray:
        """Row that each lane has kept longest."""
        return np.maximum(self.head - self.size, 0)

    # ------------------------------------------------------------------ writing

    def begin(self, lane: int, obs: Observation, episode_step: int = 0) -> None:
        """First observation of an episode, or of what is left of one."""
        self._gripper.begin(lane)
        self._append(lane, obs, episode_step)

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
        self.labelled[row] = self.taught[row] or step.human_action is not None
        self.gripper_change[row] = self._gripper.changes(lane, step.action)
        self._mark_takeover(lane, row)
        self.steps[lane] += 1
        self._append(lane, next_obs, episode_step=int(self.episode_step[row]) + 1)
        self.checksum[row] = self._checksum(row, self.newest(lane), next_obs)

    def _mark_takeover(self, lane: int, row: int) -> None:
        if not self.taught[row] or self.episode_step[row] == 0 or self.head[lane] < 2:
            return
        before = self.flat(lane, self.head[lane] - 2)
        self.takeover[before] = SOURCES[self.source[before]] in AUTONOMOUS

    def _append(self, lane: int, obs: Mapping[str, np.ndarray], episode_step: int) -> None:
        row = self.flat(lane, self.head[lane])
        for key, frames in self.frames.items():
            frames.put(row, obs[key])
        if self.proprio.shape[1]:
            self.proprio[row] = obs[PROPRIO]
        self.has_action[row] = False
        self.terminated[row] = False
        self.taught[row] = self.labelled[row] = self.gripper_change[row] = False
        self.takeover[row] = False
        self.version[row] = 0
        self.episode_step[row] = episode_step
        self.step[row] = self.steps[lane]
        self.head[lane] += 1

    def _checksum(self, row: int, after: int, next_obs: Observation) -> int:
        """Of a step as a journal gives it back, so that its rewritten reward finds it again."""
        value = zlib.crc32(self.action[row].tobytes() + self.reward[row].tobytes())
        value = zlib.crc32(self.proprio[after].tobytes() + self.source[row].tobytes(), value)
        for key in self.frames:
            value = zlib.crc32(np.ascontiguousarray(next_obs[key]).data, value)
        return value

    # ---------------------------------------------------------------- addresses

    def flat(self, lane: Any, row: Any) -> Any:
        """Places in the flat arrays of absolute rows."""
        return self.first[lane] + row % self.size[lane]

    def address(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(lane, absolute row) of places in the flat arrays."""
        lane = np.searchsorted(self.first, flat, side="right") - 1
        newest = self.head[lane] - 1
        return lane, newest - (newest - (flat - self.first[lane])) % self.size[lane]

    def newest(self, lane: int) -> int:
        """Place of the newest row of `lane`."""
        return int(self.flat(lane, self.head[lane] - 1))

    def find(self, lane: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of steps by their handles [N], and which of them are still there."""
        place, found = np.zeros(len(step), np.int64), np.zeros(len(step), bool)
        for one in np.unique(lane):
            if 0 <= one < self.lanes and self.head[one]:
                mine = lane == one
                place[mine], found[mine] = self._find_in(int(one), step[mine])
        return place, found

    def _find_in(self, lane: int, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        oldest, head = int(self.oldest[lane]), int(self.head[lane])
        places = self.flat(lane, np.arange(oldest, head))
        # The last row of an episode has no step of its own, but the number of the next one.
        index = np.searchsorted(self.step[places], step, side="right") - 1
        place = places[np.maximum(index, 0)]
        return place, (index >= 0) & (self.step[place] == step) & self.has_action[place]


def _require_memory(interface: Interface, rows: int, demo_rows: int) -> None:
    needed, free = rows * row_bytes(interface), psutil.virtual_memory().available
    log.info("replay: %s rows, %.2f GB (%.2f GB free)", f"{rows:,}", needed / 1e9, free / 1e9)
    allowed = _SHARE_OF_FREE_MEMORY * free
    if needed <= allowed:
        return
    fits = int(allowed / row_bytes(interface)) - demo_rows
    remedy = f"Set replay.capacity to at most {fits}"
    if fits < 2:
        remedy = "The demonstrations alone fill it"
    if demo_rows:
        remedy += f", or take less than {demo_rows:,} rows of demonstrations: demo_episodes"
    raise OutOfSpaceError(
        f"a replay of {rows:,} rows takes {needed / 1e9:.1f} GB but {free / 1e9:.1f} GB of memory "
        f"is free, of which {allowed / 1e9:.1f} GB may be used: {(needed - allowed) / 1e9:.1f} GB "
        f"are missing. {remedy}."
    )

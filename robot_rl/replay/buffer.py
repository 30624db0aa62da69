"""The replay buffer: add steps as they happen, draw transitions and segments, rewrite rewards."""

import dataclasses
import logging
import threading
from typing import Any

import numpy as np

from robot_rl.errors import ConfigError, NotFiniteError
from robot_rl.replay.draws import Draws, Segments, Transitions
from robot_rl.replay.overlay import REWRITE, RewardOverlay
from robot_rl.replay.starts import Starts
from robot_rl.replay.storage import FrameStore, HostFrames, Lanes, Step
from robot_rl.replay.windows import Windows
from robot_rl.types import SOURCES, Batch, Interface, Observation, Rows, Segment

log = logging.getLogger(__name__)

# The overlay is written anew when it holds more rewrites than this for a row, and many.
_OVERLAY_SLACK, _SMALL_OVERLAY = 4, 10_000


class Replay:
    """What was collected, drawn as the agent's `draws` declares it; see `Starts` and `Windows`.

    A step can be drawn as soon as it is added. `capacity` counts rows (one per environment step and
    one per episode), shared alike by `lanes` environments; `demo_rows` more are a lane of their
    own, the last.
    """

    def __init__(
        self,
        capacity: int,
        draws: Draws,
        interface: Interface,
        lanes: int,
        seed: int,
        frame_store: FrameStore = HostFrames,
        demo_rows: int = 0,
    ) -> None:
        if capacity // lanes < draws.window + draws.frame_stack + 1:
            raise ConfigError(
                f"replay.capacity={capacity} leaves {capacity // lanes} rows to an environment, "
                f"less than the {draws.window} steps and {draws.frame_stack} frames of one draw."
            )
        self.draws = draws
        self.storage = Lanes(interface, capacity, lanes, frame_store, demo_rows)
        self.revision = 0  # how often rewards were rewritten
        self._rng = np.random.default_rng(seed)
        self._starts = Starts(self.storage, self._rng)
        self._windows = Windows(self.storage, draws)
        self._overlay: RewardOverlay | None = None
        # Batches are drawn in a thread, and a reward model may rewrite in another.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Steps that are stored."""
        return int(self.storage.has_action.sum())

    @property
    def bytes(self) -> int:
        return self.storage.bytes

    def steps_by_source(self, lanes: int) -> dict[str, int]:
        """Stored steps of the first `lanes` lanes, by who acted."""
        rows = slice(0, int(self.storage.size[:lanes].sum()))
        found = self.storage.source[rows][self.storage.has_action[rows]]
        counts = np.bincount(found, minlength=len(SOURCES))
        return {name: int(count) for name, count in zip(SOURCES, counts, strict=True) if count}

    # ------------------------------------------------------------------- adding

    def begin(self, lane: int, obs: Observation, episode_step: int = 0) -> None:
        """First observation of an episode, or of what is left of one."""
        with self._lock:
            self.storage.begin(lane, obs, episode_step)

    def add(self, lane: int, step: Step, next_obs: Observation) -> None:
        with self._lock:
            self.storage.extend(lane, step, next_obs)

    def set_steps(self, lane: int, steps: int) -> None:
        """Before the next step of `lane`, `steps` were recorded; not all of them need be here."""
        self.storage.steps[lane] = steps

    # ------------------------------------------------------------------ drawing

    def sample(self, n: int) -> Any:
        """The `Batch` or the `Segment` that `draws` declares."""
        if isinstance(self.draws, Segments):
            return self._segments(n, self.draws)
        return self.transitions(n)

    def transitions(self, n: int) -> Batch:
        """Raises `ConfigError` when nothing can be drawn yet."""
        with self._lock:
            return self.gather(*self._starts.draw(n, self.draws))

    def gather(self, lane: np.ndarray, row: np.ndarray) -> Batch:
        """The transitions of given starts: `lane` [B] and absolute `row` [B]."""
        if not isinstance(self.draws, Transitions):
            raise ConfigError("this replay was built for an agent that draws segments alone.")
        return self._windows.transitions(lane, row, self.draws)

    def segments(
        self, n: int, length: int, cross_episodes: bool = False, frame_stack: int = 1
    ) -> Segment:
        """Windows of `length` steps, otherwise as `draws` declares: see `Segments`.

        Raises `ConfigError` when nothing can be drawn yet.
        """
        return self._segments(n, self._like_own(length, cross_episodes, frame_stack))

    def segments_at(self, rows: Rows, length: int, frame_stack: int = 1) -> Segment:
        """Windows inside one episode that begin at `rows` [B], less those that are gone."""
        with self._lock:
            place, found = self.storage.find(rows.lane, rows.step)
            starts = self.storage.address(place[found])
            return self._windows.segment(*starts, self._like_own(length, False, frame_stack))

    def rows(self) -> Rows:
        """Handles of all steps that are stored, by lane, oldest first."""
        lane, row = self.storage.address(np.flatnonzero(self.storage.has_action))
        order = np.lexsort((row, lane))
        places = self.storage.flat(lane[order], row[order])
        return Rows(lane[order], self.storage.step[places])

    def state_dict(self) -> dict[str, Any]:
        """What the disk does not hold: the sampler's random state."""
        return {"rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state["rng"]

    def _segments(self, n: int, draws: Segments) -> Segment:
        with self._lock:
            return self._windows.segment(*self._starts.draw(n, draws), draws)

    def _like_own(self, length: int, cross_episodes: bool, frame_stack: int) -> Segments:
        shared = {x.name: getattr(self.draws, x.name) for x in dataclasses.fields(Draws)}
        shared["frame_stack"] = frame_stack
        return Segments(length=length, cross_episodes=cross_episodes, **shared)

    # ---------------------------------------------------------- rewriting rewards

    def set_reward(self, rows: Rows, rewards: np.ndarray, version: int) -> int:
        """Rewrite the task's rewards of `rows`; how many of them were.

        Passed over are rows that are gone, and those whose reward has a newer version. As it was
        recorded it has version 0. Raises `NotFiniteError`, `ConfigError` for another number of
        rewards or a version below 1, and `OutOfSpaceError`; then nothing is rewritten.
        """
        lane, step = (np.ravel(x).astype(np.int64) for x in (rows.lane, rows.step))
        reward = np.ravel(rewards).astype(np.float32)
        _require_rewards(len(step), reward, version)
        with self._lock:
            place, found = self.storage.find(lane, step)
            taken = found & (self.storage.version[place] <= version)
            rewrites = self._rewrites_of(place[taken], lane[taken])
            rewrites["version"], rewrites["reward"] = version, reward[taken]
            if len(rewrites):
                if self._overlay is not None:
                    self._overlay.append(rewrites)  # to disk first, as a step
                self._rewrite(place[taken], rewrites)
                self._compact()
        return len(rewrites)

    def keep_rewards(self, overlay: RewardOverlay) -> None:
        """Rewrite what `overlay` holds for the rows that are here; what comes later goes into it.

        Call it once the journals are restored and the demonstrations loaded. Raises
        `CorruptFileError` where it is damaged.
        """
        strangers = 0
        with self._lock:
            for rewrites in overlay.read():
                place, found = self.storage.find(rewrites["lane"], rewrites["step"])
                same = found & (self.storage.checksum[place] == rewrites["checksum"])
                strangers += int((found & ~same).sum())
                same &= self.storage.version[place] <= rewrites["version"]
                self._rewrite(place[same], rewrites[same])
            self._overlay = overlay
            self._compact()
        if strangers:
            log.warning(
                "%d rewritten rewards belong to steps that are not there any more and are passed "
                "over: demonstrations were changed, or the end of a journal was lost",
                strangers,
            )

    def _rewrite(self, place: np.ndarray, rewrites: np.ndarray) -> None:
        self.storage.reward[place] = rewrites["reward"]
        self.storage.version[place] = rewrites["version"]
        self._windows.returns.rewritten(place)
        self.revision += 1

    def _rewrites_of(self, place: np.ndarray, lane: np.ndarray) -> np.ndarray:
        """The present rewards of `place` as the overlay writes them."""
        rewrites = np.zeros(len(place), REWRITE)
        rewrites["lane"] = lane
        for name in ("step", "checksum", "version", "reward"):
            rewrites[name] = getattr(self.storage, name)[place]
        return rewrites

    def _compact(self) -> None:
        """Write the overlay anew where most of it has been rewritten since, or is gone."""
        if self._overlay is None or self._overlay.length <= _SMALL_OVERLAY:
            return
        place = np.flatnonzero(self.storage.has_action & (self.storage.version > 0))
        if self._overlay.length > _OVERLAY_SLACK * len(place):
            self._overlay.replace(self._rewrites_of(place, self.storage.address(place)[0]))


def _require_rewards(rows: int, reward: np.ndarray, version: int) -> None:
    if rows != len(reward) or version < 1:
        raise ConfigError(
            f"{len(reward)} rewards of version {version} for {rows} rows: each needs one, and "
            "versions count from 1."
        )
    if not np.isfinite(reward).all():
        wrong = int((~np.isfinite(reward)).sum())
        raise NotFiniteError(
            f"{wrong} of {rows} rewritten rewards are NaN or infinite; the old ones are kept."
        )

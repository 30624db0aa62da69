"""Append-only record of everything that enters the replay, for crash-safe runs.

An operator's wish to record an episode again is a record, too: nothing is ever rewritten.
"""

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from robot_rl.replay.buffer import Replay
from robot_rl.replay.checked import append
from robot_rl.replay.record import BEGIN, DISCARD, LAYOUT, STEP, Raw, decode, encode
from robot_rl.replay.storage import Step
from robot_rl.replay.variations import Variations
from robot_rl.types import Interface, Observation

_SEGMENT_ROWS = 10_000
# For records of their own, of which nothing may go.
KEEP_ALL = 1_000_000_000

# (None, first observation) opens an episode, (step, next observation) follows.
Row = tuple[Step | None, Observation]


class Journal:
    """Writes one lane's records to `directory`; segments that end `keep_rows` steps ago go."""

    def __init__(self, directory: Path, lane: int, interface: Interface, keep_rows: int) -> None:
        self._directory = directory
        self._lane = lane
        self._interface = interface
        self._keep_rows = keep_rows
        directory.mkdir(parents=True, exist_ok=True)
        self.variations = Variations(directory, lane)
        self._rows = 0
        self._steps = 0
        self._file: int | None = None
        # Of the segment that is being written, so that whoever reads behind never sees half a
        # record: where it is, and how much of it is whole.
        self._whole: tuple[Path | None, int] = (None, 0)

    @property
    def steps(self) -> int:
        """Steps ever recorded, those of discarded episodes included."""
        return self._steps

    def begin(self, obs: Observation, variation: Mapping[str, float] | None = None) -> None:
        """`variation` is what was drawn for the episode."""
        self.variations.add(self._steps, variation or {})
        self._append(encode(BEGIN, None, obs, self._interface))

    def add(self, step: Step, next_obs: Observation) -> None:
        self._append(encode(STEP, step, next_obs, self._interface))
        self._steps += 1

    def append(self, record: bytes, kind: int) -> None:
        """A record of this `kind` that another journal of this lane wrote."""
        self._append(record)
        self._steps += kind == STEP

    def discard(self) -> None:
        """The running episode does not count: whoever reads passes over it."""
        self._append(encode(DISCARD, None, None, self._interface))

    def restore(self, replay: Replay, lane: int | None = None, repair: bool = True) -> int:
        """Fill `lane` of `replay` from disk and return the number of steps ever recorded.

        A torn record at the end is cut off with a warning, or passed over without `repair`; one in
        the middle raises `CorruptFileError`. `lane` is the journal's own where it is not given.
        """
        lane = self._lane if lane is None else lane
        for rows in self.episodes(repair):
            step, obs = rows[0]
            # Where its beginning is gone, what led to the first observation cannot be learned from.
            replay.set_steps(lane, self._steps - (len(rows) - 1))
            replay.begin(lane, obs, episode_step=0 if step is None else 1)
            for step, obs in rows[1:]:
                assert step is not None
                replay.add(lane, step, obs)
        replay.set_steps(lane, self._steps)
        return self._steps

    def episodes(self, repair: bool = False) -> Iterator[list[Row]]:
        """Every episode that was not discarded; the last may be unfinished.

        Reading stops before a torn record at the end; `repair` cuts it off, which only the one who
        goes on writing may do. Raises `CorruptFileError` for damage anywhere else.
        """
        for episode in self._kept(repair):
            yield [decode(raw, self._interface, str(self._directory)) for raw in episode]

    def finished_lengths(self) -> Iterator[int]:
        """Observations of every finished episode whose beginning is there, without unpacking."""
        for episode in self._kept(repair=False):
            if episode[0].kind == BEGIN and episode[-1].ends_episode:
                yield len(episode)

    def count(self) -> int:
        """Steps that are on disk here or were once, a torn end cut off. For who goes on writing."""
        for _ in self._read(repair=True):
            pass
        return self._steps

    def skip_to(self, steps: int) -> None:
        """Go on as if so many had been recorded: all of them lie elsewhere."""
        self._close_segment()
        for path in self.segments():
            path.unlink()
        self._steps = steps

    def forget(self, before: int) -> None:
        """Delete segments that hold nothing but what led to step `before`, which was recorded."""
        for path, following in itertools.pairwise(self.segments()):
            # What opens an episode follows as many steps as its first step does.
            if first_step(following) < before:
                path.unlink()

    def whole_bytes(self, segment: Path) -> int:
        """How much of it may be read while another thread writes."""
        path, size = self._whole
        return size if path == segment else segment.stat().st_size

    def segments(self) -> list[Path]:
        return sorted(self._directory.glob(f"lane{self._lane:02d}-*.rows"))

    def close(self) -> None:
        self.variations.close()
        self._close_segment()

    def _close_segment(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    # ------------------------------------------------------------------ writing

    def _append(self, record: bytes) -> None:
        if self._file is None or self._rows >= _SEGMENT_ROWS:
            self._open_segment()
        assert self._file is not None
        append(self._file, record, "the replay", self._directory)
        self._rows += 1
        self._whole = (self._whole[0], self._whole[1] + len(record))

    def _open_segment(self) -> None:
        self._close_segment()
        existing = self.segments()
        number = int(existing[-1].name.split("-")[1]) + 1 if existing else 0
        path = self._directory / (f"lane{self._lane:02d}-{number:06d}-{self._steps:012d}.rows")
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._rows, self._whole = 0, (path, 0)
        # A segment ends where the next one begins; one of a run that was killed early is short.
        for old, following in itertools.pairwise([*existing, path]):
            if self._steps - first_step(following) >= self._keep_rows:
                old.unlink()

    # ------------------------------------------------------------------ reading

    def _kept(self, repair: bool) -> Iterator[list[Raw]]:
        """The records of every episode that was not discarded."""
        episode: list[Raw] = []
        for raw in self._read(repair):
            if raw.kind == DISCARD:
                episode = []
                continue
            if raw.kind == BEGIN and episode:
                yield episode
                episode = []
            episode.append(raw)
        if episode:
            yield episode

    def _read(self, repair: bool) -> Iterator[Raw]:
        segments = self.segments()
        for path in segments:
            self._steps = first_step(path)
            followed = path != segments[-1]
            for meta, payload in LAYOUT.read(path, followed=followed, repair=repair):
                raw = Raw(*meta, payload=payload)
                self._steps += raw.kind == STEP
                yield raw


def first_step(path: Path) -> int:
    return int(path.stem.split("-")[2])

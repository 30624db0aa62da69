"""Append-only record of everything that enters the replay, for crash-safe runs.

One `write` call per record, so a killed process leaves at most one torn record, which the checksum
shows. An operator's wish to record an episode again is a record, too: nothing is ever rewritten.
"""

import errno
import itertools
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from robot_rl.errors import CorruptFileError, OutOfSpaceError
from robot_rl.replay.buffer import Replay
from robot_rl.replay.record import BEGIN, DISCARD, STEP, Raw, decode, encode, read_raw
from robot_rl.replay.storage import Step
from robot_rl.types import Interface, Observation

log = logging.getLogger(__name__)

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
        self._rows = 0
        self._steps = 0
        self._file: int | None = None

    @property
    def steps(self) -> int:
        """Steps ever recorded, those of discarded episodes included."""
        return self._steps

    def begin(self, obs: Observation) -> None:
        self._append(encode(BEGIN, None, obs, self._interface))

    def add(self, step: Step, next_obs: Observation) -> None:
        self._append(encode(STEP, step, next_obs, self._interface))
        self._steps += 1

    def discard(self) -> None:
        """The running episode does not count: whoever reads passes over it."""
        self._append(encode(DISCARD, None, None, self._interface))

    def restore(self, replay: Replay, lane: int | None = None) -> int:
        """Fill `lane` of `replay` from disk and return the number of steps ever recorded.

        A torn record at the end is cut off with a warning; one in the middle raises
        `CorruptFileError`. `lane` is the journal's own where it is not given.
        """
        lane = self._lane if lane is None else lane
        for episode in self.episodes(repair=True):
            for step, obs in episode:
                if step is None:
                    replay.begin(lane, obs)
                else:
                    replay.add(lane, step, obs)
        return self._steps

    def episodes(self, repair: bool = False) -> Iterator[list[Row]]:
        """Every episode that was not discarded; the last may be unfinished.

        Reading stops before a torn record at the end; `repair` cuts it off, which only the one who
        goes on writing may do. Raises `CorruptFileError` for damage anywhere else.
        """
        episode: list[Row] = []
        for raw in self._read(repair):
            if raw.kind == DISCARD:
                episode = []
                continue
            if raw.kind == BEGIN and episode:
                yield episode
                episode = []
            episode.append(decode(raw, self._interface, str(self._directory)))
        if episode:
            yield episode

    def segments(self) -> list[Path]:
        return sorted(self._directory.glob(f"lane{self._lane:02d}-*.rows"))

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    # ------------------------------------------------------------------ writing

    def _append(self, record: bytes) -> None:
        if self._file is None or self._rows >= _SEGMENT_ROWS:
            self._open_segment()
        assert self._file is not None
        end = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, record)
            if written != len(record):
                raise OSError(errno.ENOSPC, "the disk took only part of a record")
        except OSError as error:
            os.ftruncate(self._file, end)
            raise OutOfSpaceError(
                f"cannot write the replay to {self._directory}: {error.strerror}. Free some "
                "space and start the same command again; what was recorded is intact."
            ) from error
        self._rows += 1

    def _open_segment(self) -> None:
        self.close()
        existing = self.segments()
        number = int(existing[-1].name.split("-")[1]) + 1 if existing else 0
        path = self._directory / (f"lane{self._lane:02d}-{number:06d}-{self._steps:012d}.rows")
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._rows = 0
        # A segment ends where the next one begins; one of a run that was killed early is short.
        for old, following in itertools.pairwise([*existing, path]):
            if self._steps - _first_step(following) >= self._keep_rows:
                old.unlink()

    # ------------------------------------------------------------------ reading

    def _read(self, repair: bool) -> Iterator[Raw]:
        segments = self.segments()
        for path in segments:
            self._steps = _first_step(path)
            for raw in self._records(path, path == segments[-1], repair):
                self._steps += raw.kind == STEP
                yield raw

    def _records(self, path: Path, last: bool, repair: bool) -> Iterator[Raw]:
        data = path.read_bytes()
        place = 0
        while place < len(data):
            try:
                raw = read_raw(data, place)
            except ValueError as error:
                raise _damaged(path, place, str(error)) from error
            if raw is None:
                if not last:
                    raise _damaged(path, place, "it ends there, and later files follow it")
                _end(path, place, len(data), repair)
                return
            place += raw.size
            yield raw


def _end(path: Path, place: int, size: int, repair: bool) -> None:
    verb = "cutting" if repair else "passing over"
    log.warning("%s a torn record of %d bytes at the end of %s", verb, size - place, path)
    if repair:
        os.truncate(path, place)


def _damaged(path: Path, place: int, why: str) -> CorruptFileError:
    return CorruptFileError(
        f"{path} is damaged at byte {place}: {why}. Restore it from a backup, or move the folder "
        "away to continue without old data."
    )


def _first_step(path: Path) -> int:
    return int(path.stem.split("-")[2])

"""Append-only record of everything that enters the replay, for crash-safe runs.

A record is a header (magic, payload length, CRC-32, kind, flags, reward) and a zlib-compressed
payload: action, proprio and frames, as the interface lays them out. One `write` call per record,
so a killed process leaves at most one torn record, which the checksum shows.
"""

import errno
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robot_rl.errors import CorruptFileError, OutOfSpaceError
from robot_rl.replay.buffer import Replay
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, SOURCES, Interface, Observation

log = logging.getLogger(__name__)

_HEADER = struct.Struct("<4sIIBBf")
_MAGIC = b"RRL1"
_BEGIN, _STEP = 0, 1
_TERMINATED, _TRUNCATED = 1, 2
_SOURCE_SHIFT = 2  # the flags' upper bits: who chose the action
_SEGMENT_ROWS = 10_000


class Journal:
    """Writes one lane's records to `directory`; segments older than `keep_rows` rows go."""

    def __init__(self, directory: Path, lane: int, interface: Interface, keep_rows: int) -> None:
        self._directory = directory
        self._lane = lane
        self._interface = interface
        self._keep = keep_rows // _SEGMENT_ROWS + 2
        directory.mkdir(parents=True, exist_ok=True)
        self._rows = 0
        self._steps = 0
        self._file: int | None = None

    def begin(self, obs: Observation) -> None:
        self._write(_BEGIN, 0, 0.0, np.zeros(0, np.float32), obs)

    def add(self, step: Step, next_obs: Observation) -> None:
        flags = _TERMINATED * step.terminated + _TRUNCATED * step.truncated
        flags |= SOURCES.index(step.source) << _SOURCE_SHIFT
        self._write(_STEP, flags, step.reward, step.action, next_obs)

    def restore(self, replay: Replay) -> int:
        """Fill `replay` from the records on disk and return the number of steps ever recorded.

        A torn record at the end is cut off with a warning; one in the middle raises
        `CorruptFileError`.
        """
        for step, obs in self.read():
            if step is None:
                replay.begin(self._lane, obs)
            else:
                replay.add(self._lane, step, obs)
        return self._steps

    def read(self) -> Iterator[tuple[Step | None, Observation]]:
        """Every record from the first: (None, first observation) opens an episode."""
        segments = self.segments()
        for path in segments:
            self._steps = _first_step(path)
            for kind, step, obs in self._records(path, last=path == segments[-1]):
                self._steps += kind == _STEP
                yield (step if kind == _STEP else None), obs

    def segments(self) -> list[Path]:
        return sorted(self._directory.glob(f"lane{self._lane:02d}-*.rows"))

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    # ------------------------------------------------------------------ writing

    def _write(
        self, kind: int, flags: int, reward: float, action: np.ndarray, obs: Observation
    ) -> None:
        parts = [np.asarray(action, np.float32).tobytes()]
        parts += [obs[PROPRIO].tobytes()] if self._interface.proprio else []
        parts += [np.ascontiguousarray(obs[c.key]).tobytes() for c in self._interface.cameras]
        payload = zlib.compress(b"".join(parts), 1)
        body = struct.pack("<BBf", kind, flags, reward) + payload
        header = _HEADER.pack(_MAGIC, len(payload), zlib.crc32(body), kind, flags, reward)
        self._append(header + payload)
        self._steps += kind == _STEP

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
        for old in [*existing, path][: -self._keep]:
            old.unlink()

    # ------------------------------------------------------------------ reading

    def _records(self, path: Path, last: bool) -> Iterator[tuple[int, Step, Observation]]:
        data = path.read_bytes()
        place = 0
        while place < len(data):
            record = _read_record(data, place)
            if record is None:
                self._cut(path, place, len(data), last)
                return
            kind, flags, reward, payload = record
            place += _HEADER.size + payload[0]
            yield self._decode(kind, flags, reward, payload[1])

    def _decode(
        self, kind: int, flags: int, reward: float, raw: bytes
    ) -> tuple[int, Step, Observation]:
        sizes = [4 * self._interface.action_size * (kind == _STEP)]
        sizes += [4 * self._interface.proprio_size]
        sizes += [3 * c.height * c.width for c in self._interface.cameras]
        if sum(sizes) != len(raw):
            raise CorruptFileError(
                f"the records in {self._directory} hold {len(raw)} bytes where the interface "
                f"needs {sum(sizes)}: they were written by another task. Use a new run_dir."
            )
        chunks = np.split(np.frombuffer(raw, np.uint8), np.cumsum(sizes)[:-1])
        obs: Observation = {
            camera.key: chunk.reshape(camera.height, camera.width, 3)
            for camera, chunk in zip(self._interface.cameras, chunks[2:], strict=True)
        }
        if self._interface.proprio:
            obs[PROPRIO] = chunks[1].view(np.float32)
        step = Step(
            action=chunks[0].view(np.float32),
            reward=reward,
            terminated=bool(flags & _TERMINATED),
            truncated=bool(flags & _TRUNCATED),
            source=SOURCES[flags >> _SOURCE_SHIFT],
        )
        return kind, step, obs

    def _cut(self, path: Path, place: int, size: int, last: bool) -> None:
        if not last:
            raise CorruptFileError(
                f"{path} is damaged at byte {place}, and later files follow it. Restore it from "
                "a backup, or move the replay folder away to continue without old data."
            )
        log.warning("cutting a torn record of %d bytes off the end of %s", size - place, path)
        with path.open("r+b") as file:
            file.truncate(place)


def _read_record(data: bytes, place: int) -> tuple[int, int, float, tuple[int, bytes]] | None:
    """(kind, flags, reward, (compressed size, raw payload)), or None where it is torn."""
    if place + _HEADER.size > len(data):
        return None
    magic, size, crc, kind, flags, reward = _HEADER.unpack_from(data, place)
    start = place + _HEADER.size
    payload = data[start : start + size]
    body = struct.pack("<BBf", kind, flags, reward) + payload
    if magic != _MAGIC or len(payload) != size or zlib.crc32(body) != crc:
        return None
    return kind, flags, reward, (size, zlib.decompress(payload))


def _first_step(path: Path) -> int:
    return int(path.stem.split("-")[2])

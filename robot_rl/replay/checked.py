"""Append-only files of checksummed records: a write that was cut short is told from damage.

One `write` call per record, so a killed process leaves at most one torn record at the end.
"""

import errno
import io
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from robot_rl.errors import CorruptFileError, OutOfSpaceError

log = logging.getLogger(__name__)

_PREFIX = struct.Struct("<4sII")  # magic, length of the payload, CRC-32 of all that follows


@dataclass(frozen=True)
class Layout:
    """Records of one kind: magic, payload length, CRC-32 of the rest, `meta` and the payload."""

    magic: bytes
    meta: struct.Struct
    remedy: str  # what a user can do about a damaged file

    def pack(self, meta: tuple[Any, ...], payload: bytes) -> bytes:
        rest = self.meta.pack(*meta) + payload
        return _PREFIX.pack(self.magic, len(payload), zlib.crc32(rest)) + rest

    def checksum(self, record: bytes) -> int:
        """That of a whole record, as it was written."""
        return _PREFIX.unpack_from(record)[2]

    def unpack(self, record: bytes) -> tuple[tuple[Any, ...], bytes]:
        """(meta, payload) of one whole record. Raises `ValueError` for anything else."""
        file = io.BytesIO(record)
        found = self.next(file, len(record))
        if found is None or file.read(1):
            raise ValueError("it is no whole record")
        return found

    def read(
        self, path: Path, *, followed: bool = False, repair: bool = False
    ) -> Iterator[tuple[tuple[Any, ...], bytes]]:
        """(meta, payload) of every record.

        Stops before a torn record at the end, with a warning; `repair` cuts it off, which only the
        one who goes on writing may do. Raises `CorruptFileError` for damage anywhere else, and for
        a torn end of a file that is `followed` by another.
        """
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while (place := file.tell()) < size:
                try:
                    record = self.next(file, size - place)
                except ValueError as error:
                    raise self.damaged(path, place, str(error)) from error
                if record is not None:
                    yield record
                    continue
                if followed:
                    raise self.damaged(path, place, "it ends there, and later files follow it")
                verb = "cutting" if repair else "passing over"
                torn = size - place
                log.warning("%s a torn record of %d bytes at the end of %s", verb, torn, path)
                if repair:
                    os.truncate(path, place)
                return

    def next(self, file: BinaryIO, left: int) -> tuple[tuple[Any, ...], bytes] | None:
        """Of the `left` bytes of `file`: None for a torn record, `ValueError` for a damaged one."""
        header = file.read(_PREFIX.size + self.meta.size)
        # A file system may leave zeros where the last write did not arrive.
        if not any(header) and not any(file.read()):
            return None
        if len(header) < _PREFIX.size + self.meta.size:
            return None
        magic, length, crc = _PREFIX.unpack_from(header)
        if magic != self.magic:
            raise ValueError(
                f"no record begins there ({magic!r}); another version may have written it"
            )
        payload = file.read(min(length, left))
        if len(payload) == length and self._holds(header, payload, crc):
            return self.meta.unpack_from(header, _PREFIX.size), payload
        if any(file.read()) or self._whole_record_in(payload):
            raise ValueError("a record fails its checksum, and others follow it")
        return None

    def _holds(self, header: bytes, payload: bytes, crc: int) -> bool:
        return zlib.crc32(payload, zlib.crc32(header[_PREFIX.size :])) == crc

    def _whole_record_in(self, data: bytes) -> bool:
        """Whether one lies behind a length that is wrong: then that record is not the last."""
        place = data.find(self.magic)
        while place >= 0:
            start = place + _PREFIX.size + self.meta.size
            if start <= len(data):
                _, length, crc = _PREFIX.unpack_from(data, place)
                payload = data[start : start + length]
                if len(payload) == length and self._holds(data[place:start], payload, crc):
                    return True
            place = data.find(self.magic, place + 1)
        return False

    def damaged(self, path: Path, place: int, why: str) -> CorruptFileError:
        return CorruptFileError(f"{path} is damaged at byte {place}: {why}. {self.remedy}")


def append(file: int, record: bytes, what: str, directory: Path) -> None:
    """Write all of `record` or nothing; raises `OutOfSpaceError` naming `what`."""
    end = os.fstat(file).st_size
    try:
        written = os.write(file, record)
        if written != len(record):
            raise OSError(errno.ENOSPC, "the disk took only part of a record")
    except OSError as error:
        os.ftruncate(file, end)
        raise OutOfSpaceError(
            f"cannot write {what} to {directory}: {error.strerror}. Free some space and start the "
            "same command again; what was recorded is intact."
        ) from error

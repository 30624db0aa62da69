"""Rewards that were rewritten, on disk beside the journals that they belong to.

The journals stay as they were recorded. A rewrite names its step by lane and number and carries
the checksum of what was recorded there: it never lands on another step, whatever a crash or other
demonstrations put in that place.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robot_rl.errors import OutOfSpaceError
from robot_rl.replay.checked import Layout, append

REWRITE = np.dtype(
    [("lane", "<i4"), ("step", "<i8"), ("checksum", "<u4"), ("version", "<i8"), ("reward", "<f4")]
)
_LAYOUT = Layout(
    magic=b"RRW1",
    meta=struct.Struct(""),
    remedy="Restore it from a backup, or move it away to go on with the rewards as recorded.",
)


class RewardOverlay:
    """Appends rewrites to `directory`/rewards.overlay, one record per call."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "rewards.overlay"
        self.length = 0  # rewrites in the file that were read or written

    def read(self) -> Iterator[np.ndarray]:
        """Arrays of `REWRITE`, in the order of writing. A torn record at the end is cut off.

        Raises `CorruptFileError` for damage anywhere else.
        """
        self.length = 0
        if not self._path.exists():
            return
        for _, payload in _LAYOUT.read(self._path, repair=True):
            rewrites = np.frombuffer(payload, REWRITE)
            self.length += len(rewrites)
            yield rewrites

    def append(self, rewrites: np.ndarray) -> None:
        """All of them or, where the disk is full and `OutOfSpaceError` says so, none."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            record = _LAYOUT.pack((), rewrites.tobytes())
            append(file, record, "the rewritten rewards", self._path.parent)
        finally:
            os.close(file)
        self.length += len(rewrites)

    def replace(self, rewrites: np.ndarray) -> None:
        """Begin anew with `rewrites`, in one step: what newer ones stand for is gone."""
        partial = self._path.with_name(f".{self._path.name}.partial")
        try:
            with partial.open("wb") as file:
                file.write(_LAYOUT.pack((), rewrites.tobytes()))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutOfSpaceError(
                f"cannot write the rewritten rewards to {self._path.parent}: {error.strerror}. "
                "Free some space and start the same command again; nothing is lost."
            ) from error
        partial.rename(self._path)
        self.length = len(rewrites)

"""Reading a journal behind its writer, from any step on."""

from pathlib import Path
from typing import BinaryIO, NamedTuple

from robot_rl.errors import CorruptFileError
from robot_rl.replay.journal import Journal, first_step
from robot_rl.replay.record import LAYOUT, STEP


class Entry(NamedTuple):
    """A record as it was written, and how many steps the lane had before it."""

    first_step: int
    kind: int
    record: bytes

    @property
    def checksum(self) -> int:
        return LAYOUT.checksum(self.record)


class Tail:
    """The records of `journal`, which another thread may go on writing, in their order."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._steps = 0

    def seek(self, step: int) -> Entry | None:
        """On to the first record that follows `step` steps; the last of these, where it is here.

        Raises `CorruptFileError` where what lies between was deleted.
        """
        self.close()
        for path in self._journal.segments():
            if self._path is None or first_step(path) < step:
                self._open(path)
        if self._path is not None and first_step(self._path) > step:
            raise CorruptFileError(
                f"{self._path.parent} begins at step {first_step(self._path)} and step {step} is "
                "asked for: what lies between was deleted here, and is missing there."
            )
        last = None
        while self._steps < step and (entry := self.next()) is not None:
            last = entry if entry.kind == STEP else last
        return last

    def next(self) -> Entry | None:
        """None where the writer has not come further yet."""
        found = self._next_here()
        while found is None and self._follow():
            found = self._next_here()
        return found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._path = None

    def _next_here(self) -> Entry | None:
        if self._file is None or self._path is None:
            return None
        place, size = self._file.tell(), self._journal.whole_bytes(self._path)
        try:
            found = LAYOUT.next(self._file, size - place) if size > place else None
        except ValueError as error:
            raise LAYOUT.damaged(self._path, place, str(error)) from error
        if found is None:
            self._file.seek(place)
            return None
        meta, payload = found
        entry = Entry(self._steps, meta[0], LAYOUT.pack(meta, payload))
        self._steps += entry.kind == STEP
        return entry

    def _follow(self) -> bool:
        """Open the segment after this one; False where there is none."""
        later = [p for p in self._journal.segments() if self._path is None or p > self._path]
        if later:
            self._open(later[0])
        return bool(later)

    def _open(self, path: Path) -> None:
        self.close()
        self._path, self._file, self._steps = path, path.open("rb"), first_step(path)

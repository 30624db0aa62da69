"""The learner's end of a lane: what an actor sends, written once and in order."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from robot_rl.errors import CorruptFileError
from robot_rl.replay.journal import Journal
from robot_rl.replay.record import BEGIN, LAYOUT, STEP, Raw, decode
from robot_rl.replay.storage import Step
from robot_rl.training.apart.letters import Parcel
from robot_rl.training.episode import Episode
from robot_rl.training.sink import Sink
from robot_rl.types import Interface, Observation


class GapError(Exception):
    """Steps are missing between what is here and what came."""


class Row(NamedTuple):
    """One record that is new: `step` None opens an episode."""

    lane: int
    step: Step | None
    obs: Observation
    variation: dict[str, float]

    def into(self, sink: Sink) -> None:
        if self.step is None:
            sink.begin(self.lane, self.obs, self.variation)
        else:
            sink.add(self.lane, self.step, self.obs)


@dataclass
class _Open:
    """The episode that is running, as far as its steps tell of it."""

    first_step: int
    episode_return: float = 0.0
    steps_by: dict[str, int] = field(default_factory=dict)

    def count(self, step: Step) -> None:
        self.episode_return += step.reward
        self.steps_by[step.source] = self.steps_by.get(step.source, 0) + 1

    def cut(self, lane: int) -> Episode:
        """Its actor died: what is left of it. Nobody can say whether it succeeded."""
        length = sum(self.steps_by.values())
        return Episode(
            lane, self.first_step, self.episode_return, length, None, dict(self.steps_by)
        )


class Intake:
    """Of one lane. `journal` stands where its restoring left it."""

    def __init__(self, journal: Journal, lane: int, interface: Interface) -> None:
        self.journal = journal
        self._lane, self._interface = lane, interface
        self._begun = 0  # checksum of the last record, where that opened an episode
        self._told = -1  # first step of the last episode that ended
        self._open: _Open | None = None

    @property
    def steps(self) -> int:
        """On disk here."""
        return self.journal.steps

    @property
    def checksum(self) -> int:
        """Of the last of them."""
        return self.journal.checksum

    def take(self, parcel: Parcel, records: Sequence[bytes]) -> Iterator[Row | Episode]:
        """What is new of it, already on disk. Raises `GapError`, `OutOfSpaceError`, and
        `CorruptFileError` for a record that is none."""
        first = parcel.first_step
        for record in records:
            raw = _raw(record)
            if first > self.steps:
                raise GapError(f"step {first} came, and {self.steps} are here")
            if first == self.steps and not self._is_here(raw):
                yield from self._record(record, raw, parcel.variations.get(str(first), {}))
            first += raw.kind == STEP
        for episode in map(Episode.restored, parcel.episodes):
            if episode.first_step > self._told:
                self._told = episode.first_step
                yield episode

    def _is_here(self, raw: Raw) -> bool:
        """An opening that came before: it follows as many steps as what comes after it."""
        return raw.kind == BEGIN and zlib.crc32(raw.payload) == self._begun

    def _record(
        self, record: bytes, raw: Raw, variation: dict[str, float]
    ) -> Iterator[Row | Episode]:
        step, obs = decode(raw, self._interface, f"lane {self._lane}")
        if step is None:
            yield from self._cut_off()
            self.journal.variations.add(self.steps, variation)
            self._open = _Open(self.steps)
        elif self._open is not None:
            self._open.count(step)
        self.journal.append(record, raw)
        self._begun = zlib.crc32(raw.payload) if step is None else 0
        if raw.ends_episode:
            self._open = None
        yield Row(self._lane, step, obs, variation)

    def _cut_off(self) -> Iterator[Episode]:
        """The episode before, where nothing ended it."""
        if self._open is not None and self._open.steps_by:
            self._told = self._open.first_step
            yield self._open.cut(self._lane)


def _raw(record: bytes) -> Raw:
    try:
        meta, payload = LAYOUT.unpack(record)
    except ValueError as error:
        raise CorruptFileError(f"a record came damaged: {error}.") from error
    return Raw(*meta, payload=payload)

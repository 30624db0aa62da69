"""The learner's end of a lane: what an actor sends, written once and in order."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from robot_rl.errors import CorruptFileError
from robot_rl.replay.journal import Journal
from robot_rl.replay.record import LAYOUT, STEP, Raw, decode
from robot_rl.replay.storage import Step
from robot_rl.replay.tail import Tail
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


class Intake:
    """Of one lane. `journal` stands where its restoring left it; `checksum` is its last step's."""

    def __init__(self, journal: Journal, lane: int, interface: Interface) -> None:
        self.journal = journal
        self._lane, self._interface = lane, interface
        last = Tail(journal).seek(journal.steps)
        self.checksum = 0 if last is None else last.checksum
        self._begun = 0  # checksum of the last record, where that opened an episode
        self._told = -1  # first step of the last episode that ended
        self._running: Episode | None = None

    @property
    def steps(self) -> int:
        """On disk here."""
        return self.journal.steps

    def take(self, parcel: Parcel, records: Sequence[bytes]) -> Iterator[Row | Episode]:
        """What is new of it, already on disk. Raises `GapError`, `OutOfSpaceError`, and
        `CorruptFileError` for a record that is none."""
        first = parcel.first_step
        # An opening follows as many steps as its first step: by its number alone it came before.
        for record in records:
            raw = _raw(record)
            if first > self.steps:
                raise GapError(f"step {first} came, and {self.steps} are here")
            if first == self.steps and LAYOUT.checksum(record) != self._begun:
                yield from self._record(record, raw, parcel.variations.get(str(first), {}))
            first += raw.kind == STEP
        for episode in map(Episode.restored, parcel.episodes):
            if episode.first_step > self._told:
                self._told = episode.first_step
                yield episode

    def _record(
        self, record: bytes, raw: Raw, variation: dict[str, float]
    ) -> Iterator[Row | Episode]:
        step, obs = decode(raw, self._interface, f"lane {self._lane}")
        if step is None:
            yield from self._cut_off()
            self.journal.variations.add(self.steps, variation)
            self._running = Episode(self._lane, self.steps, success=None)
        elif self._running is not None:
            self._running.tally(step.reward, step.source)
        self.journal.append(record, raw.kind)
        checksum = LAYOUT.checksum(record)
        self._begun = checksum if step is None else 0
        self.checksum = self.checksum if step is None else checksum
        if raw.ends_episode:
            self._running = None
        yield Row(self._lane, step, obs, variation)

    def _cut_off(self) -> Iterator[Episode]:
        """The episode before, where its actor died: nobody can say whether it succeeded."""
        if self._running is not None and self._running.length:
            self._told = self._running.first_step
            yield self._running


def _raw(record: bytes) -> Raw:
    try:
        meta, payload = LAYOUT.unpack(record)
    except ValueError as error:
        raise CorruptFileError(f"a record came damaged: {error}.") from error
    return Raw(*meta, payload=payload)

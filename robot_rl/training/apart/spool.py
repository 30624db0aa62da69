"""What an actor collected, on its own disk until it is on the learner's."""

import dataclasses
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robot_rl.errors import ConfigError
from robot_rl.folders import locked
from robot_rl.jsonlines import JsonLines, read_json_lines
from robot_rl.replay.journal import KEEP_ALL, Journal
from robot_rl.replay.record import BEGIN, STEP
from robot_rl.replay.storage import Step
from robot_rl.replay.tail import Entry, Tail
from robot_rl.training.apart.letters import Parcel
from robot_rl.training.episode import Episode
from robot_rl.training.run import write_text
from robot_rl.types import Interface, Observation

_EPISODES, _RUN = "episodes.jsonl", "run"
_PARCEL_BYTES = 4 << 20


class Spool:
    """A sink for one lane. One thread fills it, another takes `parcel` after `parcel` out of it.

    Raises `ConfigError` for a folder that another process uses, or that holds what belongs to
    another `run` or lane.
    """

    def __init__(self, root: Path, lane: int, interface: Interface, run: str) -> None:
        root.mkdir(parents=True, exist_ok=True)
        _require_same_run(root / _RUN, f"{run} {lane}")
        self._lock = _locked(root)
        self._lane = lane  # of the run; the collector counts its own
        self.journal = Journal(root, lane, interface, KEEP_ALL)
        self._tail = Tail(self.journal)
        self._ended = list(read_json_lines(root / _EPISODES))
        self._told = 0  # how many of them travel with the last parcel
        self._taken = 0  # steps up to the end of the last parcel
        self._drawn = self.journal.variations.read()
        self._root = root
        self._news = threading.Condition()

    def resume(self, received: int) -> int:
        """First of all: how many steps the lane has, of which the learner has `received`."""
        if self.journal.count() < received:
            self.journal.skip_to(received)  # they were collected elsewhere
        # Whether the learner heard of one that ends right there nobody knows; it hears again.
        self._ended = [row for row in self._ended if _end(row) >= received]
        self._drawn = {step: drawn for step, drawn in self._drawn.items() if step >= received}
        lines = [json.dumps(row) + "\n" for row in self._ended]
        write_text(self._root / _EPISODES, "".join(lines))
        self._episodes = JsonLines(self._root / _EPISODES)
        return self.journal.steps

    # ------------------------------------------------------------- the collector's side

    def begin(self, lane: int, obs: Observation, variation: Mapping[str, float]) -> None:
        with self._news:
            self._drawn[self.journal.steps] = dict(variation)
        self.journal.begin(obs, variation)
        self._tell()

    def add(self, lane: int, step: Step, next_obs: Observation) -> None:
        self.journal.add(step, next_obs)
        self._tell()

    def end(self, episode: Episode) -> None:
        row = {**dataclasses.asdict(episode), "lane": self._lane}
        self._episodes.write(row)
        with self._news:
            self._ended.append(row)

    def close(self) -> None:
        self.journal.close()
        self._episodes.close()

    def release(self) -> None:
        """Another process may have the folder."""
        self._tail.close()
        os.close(self._lock)

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()

    # --------------------------------------------------------------- the courier's side

    def wait(self, timeout_s: float) -> None:
        """Until something is added; it may have been before."""
        with self._news:
            self._news.wait(timeout_s)

    def seek(self, received: int, checksum: int) -> None:
        """The next parcel follows the first `received` steps, the last of which has `checksum`.

        Raises `ConfigError` where that step was collected by somebody else.
        """
        last = self._tail.seek(received)
        if received > self.journal.steps or (last is not None and last.checksum != checksum):
            raise ConfigError(
                f"another process collected as actor {self._lane} meanwhile: the learner has other "
                "steps than this one. Give each its own number: --actor NUMBER."
            )
        self._taken, self._told = received, 0

    def parcel(self, weights_version: int) -> tuple[Parcel, list[bytes]]:
        """What was not taken yet, as much as fits; it may be nothing."""
        entries = list(self._entries())
        first = entries[0].first_step if entries else self._taken
        if entries:
            self._taken = entries[-1].first_step + (entries[-1].kind == STEP)
        begun = [entry.first_step for entry in entries if entry.kind == BEGIN]
        with self._news:
            ended = [row for row in self._ended if _end(row) <= self._taken]
            self._told = len(ended)
            drawn = {str(step): self._drawn.get(step, {}) for step in begun}
        parcel = Parcel(
            first_step=first, weights_version=weights_version, episodes=ended, variations=drawn
        )
        return parcel, [entry.record for entry in entries]

    def received(self, steps: int) -> None:
        """The learner has the last parcel, and so many steps on its disk."""
        self.journal.forget(steps)
        with self._news:
            del self._ended[: self._told]
            self._told = 0
            for step in [step for step in self._drawn if step < steps]:
                del self._drawn[step]

    def _entries(self) -> Iterator[Entry]:
        size = 0
        while size < _PARCEL_BYTES:
            entry = self._tail.next()
            if entry is None:
                return
            size += len(entry.record)
            yield entry


def _end(row: Mapping[str, Any]) -> int:
    return row["first_step"] + row["length"]


def _locked(root: Path) -> int:
    try:
        return locked(root)
    except BlockingIOError as error:
        raise ConfigError(
            f"{root} is in use by another actor. Give this one a folder of its own: --spool FOLDER."
        ) from error


def _require_same_run(path: Path, run: str) -> None:
    if not path.exists():
        write_text(path, run)
    elif path.read_text() != run:
        raise ConfigError(
            f"{path.parent} keeps what was collected for another run, or as another of its actors. "
            "Give this one a folder of its own: --spool FOLDER."
        )

"""Where collected steps go: in one process to disk and into the replay."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from robot_rl.replay.buffer import Replay
from robot_rl.replay.journal import Journal
from robot_rl.replay.storage import Step
from robot_rl.training.episode import Episode
from robot_rl.types import Observation


class Sink(Protocol):
    """Takes what a collector brings, lane by lane, in the order in which it happened.

    It may write here, or put what it is given on its way to the process that learns.
    """

    def begin(self, lane: int, obs: Observation, variation: Mapping[str, float]) -> None:
        """First observation of an episode, and what was drawn for it."""
        ...

    def add(self, lane: int, step: Step, next_obs: Observation) -> None: ...

    def end(self, episode: Episode) -> None:
        """The episode ended with the step before."""
        ...

    def close(self) -> None: ...


class ReplaySink:
    """One lane of the replay per environment; `ended` hears of every episode."""

    def __init__(self, replay: Replay, ended: Callable[[Episode], None]) -> None:
        self._replay, self._ended = replay, ended

    def begin(self, lane: int, obs: Observation, variation: Mapping[str, float]) -> None:
        self._replay.begin(lane, obs)

    def add(self, lane: int, step: Step, next_obs: Observation) -> None:
        self._replay.add(lane, step, next_obs)

    def end(self, episode: Episode) -> None:
        self._ended(episode)

    def close(self) -> None:
        """Nothing is held."""


class Recorded:
    """To disk first, a journal per lane, then to `sink`: what was learned from is never lost."""

    def __init__(self, journals: Sequence[Journal], sink: Sink) -> None:
        self._journals, self._sink = journals, sink

    def begin(self, lane: int, obs: Observation, variation: Mapping[str, float]) -> None:
        self._journals[lane].begin(obs, variation)
        self._sink.begin(lane, obs, variation)

    def add(self, lane: int, step: Step, next_obs: Observation) -> None:
        self._journals[lane].add(step, next_obs)
        self._sink.add(lane, step, next_obs)

    def end(self, episode: Episode) -> None:
        self._sink.end(episode)

    def close(self) -> None:
        with contextlib.ExitStack() as closing:  # each, whatever becomes of the others
            closing.callback(self._sink.close)
            for journal in self._journals:
                closing.callback(journal.close)

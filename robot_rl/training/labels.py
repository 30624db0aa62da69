"""Labelling episodes beside the robot that goes on: reward models that score whole episodes, that
ask a server, or that demonstrations are to be paid by."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from robot_rl.envs.reward import RewardConfig
from robot_rl.errors import RewardUnavailableError
from robot_rl.measures import Measure, Shown
from robot_rl.replay import Replay
from robot_rl.rewards.model import RewardModel, Scores
from robot_rl.rewards.payment import payments
from robot_rl.rewards.replayed import Replayed, episodes_of, replayed
from robot_rl.training.episode import Episode
from robot_rl.training.hooks import Hook
from robot_rl.types import Rows

log = logging.getLogger(__name__)

_VERSION = 1
_AT_ONCE = 4  # episodes in memory beside the replay
_WAIT_S = 5.0  # before a server that did not answer is asked again


class LabelEpisodes(Hook):
    """Pays every finished episode of `lanes` (None: all of them) by `model`, in a thread.

    Until it has been scored an episode pays as it was recorded. What a killed run had not labelled
    is labelled first. Where the model cannot be reached collecting goes on, and labels are caught
    up.
    """

    shown: ClassVar[Shown] = {"unlabelled": Measure("episodes not labelled yet", "count")}

    def __init__(
        self, model: RewardModel, task: str, config: RewardConfig, lanes: set[int] | None = None
    ) -> None:
        self._model, self._task, self._config, self._lanes = model, task, config, lanes
        self._pending: deque[Rows] = deque()  # by handles: clips are large
        self._todo: queue.Queue[Replayed] = queue.Queue()
        self._done: queue.Queue[tuple[Rows, np.ndarray]] = queue.Queue()
        self._failed: list[Exception] = []
        self._waiting, self._began = 0, False
        self._demo_lane: int | None = None

    def end_episode(self, episode: Episode, replay: Replay) -> None:
        self._begin(replay, but=episode.rows)
        self._ask(replay, episode.rows)
        self._pay(replay)

    def before_draw(self, replay: Replay, updates: int) -> None:
        self._begin(replay)
        self._pay(replay)

    def metrics(self) -> dict[str, float]:
        return {"unlabelled": float(self._waiting)}

    def _begin(self, replay: Replay, but: Rows | None = None) -> None:
        """Once: what is there unlabelled, and the thread."""
        if self._began:
            return
        self._began, self._demo_lane = True, replay.storage.demo_lane
        for rows in self._unlabelled(replay):
            if but is None or (rows.lane[0], rows.step[0]) != (but.lane[0], but.step[0]):
                self._ask(replay, rows)
        threading.Thread(target=self._work, name="labels", daemon=True).start()

    def _unlabelled(self, replay: Replay) -> Iterator[Rows]:
        for rows in episodes_of(replay):
            place, _ = replay.storage.find(rows.lane, rows.step)
            if (replay.storage.version[place] < _VERSION).any():
                yield rows

    def _ask(self, replay: Replay, rows: Rows) -> None:
        if self._lanes is not None and int(rows.lane[0]) not in self._lanes:
            return
        self._pending.append(rows)
        self._waiting += 1
        self._hand_over(replay)

    def _hand_over(self, replay: Replay) -> None:
        """A few clips at a time to the thread."""
        while self._pending and self._todo.qsize() < _AT_ONCE:
            asked = replayed(replay, self._pending.popleft())
            if asked is None:
                self._waiting -= 1  # gone meanwhile
            else:
                self._todo.put(asked)

    def _pay(self, replay: Replay) -> None:
        """Rewrite what has been scored. Raises what the thread died of."""
        while not self._done.empty():
            rows, paid = self._done.get()
            replay.set_reward(rows, paid, _VERSION)
            self._waiting -= 1
        self._hand_over(replay)
        if self._failed:
            raise self._failed[0]

    def _work(self) -> None:
        told = False
        while True:
            asked = self._todo.get()
            while True:
                try:
                    scores = self._model.score(asked.clip, self._task)
                    break
                except RewardUnavailableError as error:
                    if not told:
                        log.warning("%s Collecting goes on; labels are caught up later.", error)
                    told = True
                    time.sleep(_WAIT_S)
                except Exception as error:  # told where the learner is, which then stops
                    self._failed.append(error)
                    return
            told = False
            self._done.put((asked.rows, self._payments(asked, scores)))

    def _payments(self, asked: Replayed, scores: Scores) -> np.ndarray:
        """What was recorded is the task's share already, but in demonstrations."""
        share = self._config.own_share
        shown = int(asked.rows.lane[0]) == self._demo_lane
        own = asked.own * (share if shown else float(share > 0.0))
        return payments(scores, own, self._config)

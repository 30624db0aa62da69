"""Learning a reward from choices while the policy learns (PEBBLE, Lee et al. 2021; RL-VLM-F)."""

import logging
import math
import queue
import threading
from typing import Any, ClassVar

import numpy as np
import torch

from robot_rl.envs.reward import RewardConfig
from robot_rl.errors import ConfigError, RewardUnavailableError
from robot_rl.measures import Measure, Shown
from robot_rl.replay import Replay
from robot_rl.rewards.model import Scores
from robot_rl.rewards.payment import payments
from robot_rl.rewards.preferences import Choices, PreferenceConfig, PreferenceNet, fit, worth_of
from robot_rl.rewards.replayed import Replayed, episodes_of, kept, replayed, shown_after
from robot_rl.rewards.teachers import Choice, Question, Teacher
from robot_rl.training.asked import Asked
from robot_rl.training.episode import Episode
from robot_rl.training.hooks import Hook
from robot_rl.types import Rows

log = logging.getLogger(__name__)


class LearnFromChoices(Hook):
    """Asks `teacher`, learns the reward anew, and pays the whole replay by it.

    Until the first answers everything pays what it was recorded with. A clip is what some steps led
    to. A slow teacher is asked in a thread, and the robot goes on; each of his answers is kept as
    it comes.
    """

    shown: ClassVar[Shown] = {
        "choices": Measure("choices that taught the reward", "count"),
        "choices_explained": Measure("choices that the reward explains", "share"),
    }

    def __init__(
        self,
        teacher: Teacher,
        task: str,
        reward: RewardConfig,
        camera: str,
        height: int,
        seed: int,
    ) -> None:
        self._teacher, self._task, self._reward = teacher, task, reward
        self._camera, self._teaching = camera, reward.teaching
        self._config = PreferenceConfig.of(height, reward.teaching.updates)
        self._net = PreferenceNet(self._config)
        self._rng = np.random.default_rng(seed)
        self._truth: dict[tuple[int, int], float] = {}  # what each step was worth to the simulator
        self._asked = Asked()
        self._steps = self._version = 0
        self._due = self._teaching.every_steps
        self._explained = 0.0
        self._began = False
        self._thread: threading.Thread | None = None
        self._answers: queue.Queue[tuple[Rows, Choice] | Exception] = queue.Queue()

    # --------------------------------------------------------------- what is collected

    def end_episode(self, episode: Episode, replay: Replay) -> None:
        self._begin(replay)
        self._steps += episode.length
        rows = episode.rows
        for lane, step, own in zip(rows.lane, rows.step, episode.own_rewards, strict=True):
            if not math.isnan(own):
                self._truth[int(lane), int(step)] = own
        if self._asked.taught:
            self._pay(replay, rows)
        self._take(replay)
        if self._steps >= self._due and self._thread is None and self._left:
            self._ask(replay)

    def before_draw(self, replay: Replay, updates: int) -> None:
        self._begin(replay)
        self._take(replay)

    @property
    def _left(self) -> int:
        return max(0, self._teaching.most - len(self._asked))

    def _begin(self, replay: Replay) -> None:
        """Once: rewards on disk may be of a later version than the checkpoint that was loaded."""
        if self._began:
            return
        self._began = True
        newest = int(replay.storage.version.max())
        if newest > self._version:
            self._version = newest
            if self._asked.taught:
                self._pay_all(replay)

    # ------------------------------------------------------------------ asking

    def _ask(self, replay: Replay) -> None:
        pairs = self._pairs(replay, min(self._teaching.queries, self._left))
        if pairs is None:
            return
        self._due = self._steps + self._teaching.every_steps
        questions = self._questions(replay, pairs)
        if not self._teacher.slow:
            for place, choice in enumerate(self._teacher.choose(questions, self._task)):
                self._asked.add(pairs[place], choice)
            self._learn(replay)
            return
        self._thread = threading.Thread(
            target=self._ask_beside, args=(pairs, questions), name="teacher", daemon=True
        )
        self._thread.start()

    def _ask_beside(self, pairs: Rows, questions: list[Question]) -> None:
        try:
            for place, question in enumerate(questions):
                choice = self._teacher.choose([question], self._task)[0]
                self._answers.put((pairs[place], choice))
        except Exception as error:  # told where the learner is
            self._answers.put(error)

    def _take(self, replay: Replay) -> None:
        """What a slow teacher has answered meanwhile; learned from when he is through."""
        if self._thread is None:
            return
        over = not self._thread.is_alive()
        while not self._answers.empty():
            self._hear(self._answers.get())
        if over:
            self._thread = None
            self._learn(replay)

    def _hear(self, answer: tuple[Rows, Choice] | Exception) -> None:
        if isinstance(answer, RewardUnavailableError):
            log.warning("%s Collecting goes on; the teacher is asked again later.", answer)
        elif isinstance(answer, Exception):
            raise answer
        else:
            self._asked.add(*answer)

    def _pairs(self, replay: Replay, n: int) -> Rows | None:
        """Handles [n, 2] of where clips begin that lie inside one episode; None without any."""
        length = self._teaching.clip_steps
        starts = [
            rows[: len(rows.step) - length + 1]
            for rows in episodes_of(replay, running=True)
            if int(rows.lane[0]) != replay.storage.demo_lane
            and len(rows.step) >= length
            and (not self._teacher.reads_truth or self._known(rows))
        ]
        if not starts:
            return None
        lane = np.concatenate([rows.lane for rows in starts])
        step = np.concatenate([rows.step for rows in starts])
        drawn = self._rng.integers(len(step), size=(n, 2))
        return Rows(lane[drawn], step[drawn])

    def _known(self, rows: Rows) -> bool:
        """Whether it is known what the simulator paid for them: not so of an episode that runs, and
        of what came after the checkpoint that a killed run goes on from."""
        keys = zip(rows.lane.tolist(), rows.step.tolist(), strict=True)
        return all(key in self._truth for key in keys)

    def _questions(self, replay: Replay, pairs: Rows) -> list[Question]:
        clips = self._clips(replay, pairs)
        truths = [
            [self._worth(int(lane), int(step)) for lane, step in zip(*pair, strict=True)]
            for pair in zip(pairs.lane, pairs.step, strict=True)
        ]
        return [
            Question(clip[0], clip[1], (truth[0], truth[1]))
            for clip, truth in zip(clips, truths, strict=True)
        ]

    def _worth(self, lane: int, step: int) -> float:
        """What the simulator paid for the steps of a clip, in all; NaN where that is not known."""
        places = range(step, step + self._teaching.clip_steps)
        return sum(self._truth.get((lane, place), float("nan")) for place in places)

    def _clips(self, replay: Replay, pairs: Rows) -> np.ndarray:
        """uint8 [n, 2, T, H, W, 3]."""
        flat = Rows(pairs.lane.ravel(), pairs.step.ravel())
        frames = shown_after(replay, flat, self._teaching.clip_steps, self._camera)
        return frames.reshape(*pairs.step.shape, *frames.shape[1:])

    # ----------------------------------------------------------------- learning

    def _learn(self, replay: Replay) -> None:
        try:
            self._explained = fit(self._net, self._choices(replay), self._config, self._rng)
        except ConfigError as error:
            log.warning("%s Asked again later.", error)
            return
        self._asked.taught = True
        self._version += 1
        self._pay_all(replay)

    def _choices(self, replay: Replay) -> Choices:
        """The answers about clips that are still there."""
        pairs, chosen = self._asked.said()
        last = Rows(pairs.lane, pairs.step + self._teaching.clip_steps - 1)
        there = [
            kept(replay, Rows(rows.lane.ravel(), rows.step.ravel())).reshape(-1, 2).all(1)
            for rows in (pairs, last)
        ]
        whole = there[0] & there[1]
        choices = Choices(self._config)
        if whole.any():
            clips = self._clips(replay, pairs[whole])
            choices.add([Question(c[0], c[1]) for c in clips], chosen[whole].tolist())
        return choices

    def _pay_all(self, replay: Replay) -> None:
        for rows in episodes_of(replay, running=True):
            self._pay(replay, rows)

    def _pay(self, replay: Replay, rows: Rows) -> None:
        seen = replayed(replay, rows)
        if seen is not None:
            replay.set_reward(rows, self._payments(seen), self._version)

    def _payments(self, seen: Replayed) -> np.ndarray:
        worth = worth_of(self._net, seen.clip[self._camera], self._config)
        scores = Scores(worth, *[np.clip((worth + 1.0) / 2.0, 0.0, 1.0)] * 2)
        return payments(scores, np.zeros(len(seen.own)), self._reward)

    # -------------------------------------------------------------------- state

    def metrics(self) -> dict[str, float]:
        said = len(self._asked.said()[1])
        return {"choices": float(said), "choices_explained": self._explained}

    def state_dict(self) -> dict[str, Any]:
        truth = np.array([[*key, own] for key, own in self._truth.items()], np.float64)
        return {
            "net": self._net.state_dict(),
            "asked": self._asked.state_dict(),
            "truth": torch.from_numpy(truth.reshape(-1, 3)),
            "steps": self._steps,
            "due": self._due,
            "version": self._version,
            "explained": self._explained,
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._net.load_state_dict(state["net"])
        self._asked.load_state_dict(state["asked"])
        self._truth = {(int(a), int(b)): own for a, b, own in state["truth"].tolist()}
        self._steps, self._due = state["steps"], state["due"]
        self._version, self._explained = state["version"], state["explained"]
        self._rng.bit_generator.state = state["rng"]

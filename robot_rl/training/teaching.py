"""Learning a reward from choices while the policy learns (PEBBLE, Lee et al. 2021; RL-VLM-F)."""

import logging
import threading
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from robot_rl.envs.reward import RewardConfig
from robot_rl.errors import ConfigError, RewardUnavailableError
from robot_rl.measures import Measure, Shown
from robot_rl.replay import Replay
from robot_rl.rewards.model import Scores
from robot_rl.rewards.payment import payments
from robot_rl.rewards.preferences import (
    Choices,
    PreferenceConfig,
    PreferenceNet,
    fit,
    worth_of,
)
from robot_rl.rewards.replayed import Replayed, episodes_of, frames_before, kept, replayed
from robot_rl.rewards.teachers import Choice, Question, Teacher
from robot_rl.training.episode import Episode
from robot_rl.training.hooks import Hook
from robot_rl.types import Rows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Asked:
    """Two clips by the handles of their steps, [N, 2] lanes and first steps, and what was said."""

    lane: np.ndarray
    step: np.ndarray
    chosen: np.ndarray  # [N]; NaN where nothing could be said


class LearnFromChoices(Hook):
    """Asks `teacher`, learns the reward anew, and pays the whole replay by it.

    Until the first answers everything pays what it was recorded with. A slow teacher is asked in a
    thread, and the robot goes on. The answers are saved by the handles of what was asked about.
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
        size: int,
        seed: int,
    ) -> None:
        self._teacher, self._task, self._reward = teacher, task, reward
        self._camera, self._teaching = camera, reward.teaching
        self._config = PreferenceConfig(size=size, updates=reward.teaching.updates)
        self._net = PreferenceNet(self._config)
        self._rng = np.random.default_rng(seed)
        self._truth: dict[tuple[int, int], float] = {}  # what each step was worth to the simulator
        nothing = np.zeros((0, 2), np.int64)
        self._asked = _Asked(nothing, nothing, np.zeros(0))
        self._steps = self._version = 0
        self._due = self._teaching.every_steps
        self._explained = 0.0
        self._thread: threading.Thread | None = None
        self._answers: tuple[Rows, list[Choice]] | Exception | None = None

    # --------------------------------------------------------------- what is collected

    def end_episode(self, episode: Episode, replay: Replay) -> None:
        self._steps += episode.length
        rows = episode.rows
        for lane, step, own in zip(rows.lane, rows.step, episode.own_rewards, strict=True):
            self._truth[int(lane), int(step)] = own
        if self._version:
            self._pay(replay, rows)
        self._take(replay)
        if self._steps >= self._due and self._thread is None and self._left:
            self._due = self._steps + self._teaching.every_steps
            self._ask(replay)

    def before_draw(self, replay: Replay, updates: int) -> None:
        self._take(replay)

    @property
    def _left(self) -> int:
        return max(0, self._teaching.most - len(self._asked.chosen))

    # ------------------------------------------------------------------ asking

    def _ask(self, replay: Replay) -> None:
        pairs = self._pairs(replay, min(self._teaching.queries, self._left))
        if pairs is None:
            return
        questions = self._questions(replay, pairs)
        if not self._teacher.slow:
            self._learn(replay, pairs, self._teacher.choose(questions, self._task))
            return
        self._thread = threading.Thread(
            target=self._ask_beside, args=(pairs, questions), name="teacher", daemon=True
        )
        self._thread.start()

    def _ask_beside(self, pairs: Rows, questions: list[Question]) -> None:
        try:
            self._answers = (pairs, self._teacher.choose(questions, self._task))
        except Exception as error:  # told where the learner is
            self._answers = error

    def _take(self, replay: Replay) -> None:
        """What a slow teacher has answered meanwhile."""
        if self._thread is None or self._answers is None:
            return
        answers, self._answers, self._thread = self._answers, None, None
        if isinstance(answers, RewardUnavailableError):
            log.warning("%s Collecting goes on; the teacher is asked again later.", answers)
        elif isinstance(answers, Exception):
            raise answers
        else:
            self._learn(replay, *answers)

    def _pairs(self, replay: Replay, n: int) -> Rows | None:
        """Handles [n, 2] of where clips begin that lie inside one episode; None without any."""
        length = self._teaching.clip_steps
        lanes = set(range(replay.storage.lanes)) - {replay.storage.demo_lane}
        starts = [
            rows[: len(rows.step) - length + 1]
            for rows in episodes_of(replay)
            if int(rows.lane[0]) in lanes and len(rows.step) >= length
        ]
        if not starts:
            return None
        lane = np.concatenate([rows.lane for rows in starts])
        step = np.concatenate([rows.step for rows in starts])
        drawn = self._rng.integers(len(step), size=(n, 2))
        return Rows(lane[drawn], step[drawn])

    def _questions(self, replay: Replay, pairs: Rows) -> list[Question]:
        clips = self._clips(replay, pairs)
        truths = [
            tuple(self._worth(int(lane), int(step)) for lane, step in zip(*pair, strict=True))
            for pair in zip(pairs.lane, pairs.step, strict=True)
        ]
        return [
            Question(clip[0], clip[1], (truth[0], truth[1]))
            for clip, truth in zip(clips, truths, strict=True)
        ]

    def _worth(self, lane: int, step: int) -> float:
        """What the simulator paid for having come to each observation of the clip, in all."""
        places = range(step - 1, step - 1 + self._teaching.clip_steps)
        told = [self._truth.get((lane, place), np.nan) for place in places]
        if np.isnan(told[0]) and len(told) > 1:
            del told[0]  # the first observation of an episode was paid by nothing
        return float(np.nansum(told)) if not np.all(np.isnan(told)) else self._of_start(lane, step)

    def _of_start(self, lane: int, step: int) -> float:
        """An episode's first observation is worth what the step from it brought."""
        return self._truth.get((lane, step), float("nan"))

    def _clips(self, replay: Replay, pairs: Rows) -> np.ndarray:
        """uint8 [n, 2, T, H, W, 3]."""
        length = self._teaching.clip_steps
        lane = np.repeat(pairs.lane[..., None], length, -1)
        step = pairs.step[..., None] + np.arange(length)
        frames = frames_before(replay, Rows(lane.ravel(), step.ravel()), self._camera)
        return frames.reshape(*lane.shape, *frames.shape[1:])

    # ----------------------------------------------------------------- learning

    def _learn(self, replay: Replay, pairs: Rows, choices: list[Choice]) -> None:
        chosen = np.array([np.nan if c is None else c for c in choices])
        self._asked = _Asked(
            np.concatenate((self._asked.lane, pairs.lane)),
            np.concatenate((self._asked.step, pairs.step)),
            np.concatenate((self._asked.chosen, chosen)),
        )
        known = self._known(replay)
        try:
            self._explained = fit(self._net, known, self._config, self._rng)
        except ConfigError as error:
            log.warning("%s Asked again later.", error)
            return
        self._version += 1
        for rows in episodes_of(replay, running=True):
            self._pay(replay, rows)

    def _known(self, replay: Replay) -> Choices:
        """The answers about clips that are still there."""
        known = Choices(self._config)
        last = self._asked.step + self._teaching.clip_steps - 1
        there = kept(replay, Rows(self._asked.lane.ravel(), self._asked.step.ravel()))
        there &= kept(replay, Rows(self._asked.lane.ravel(), last.ravel()))
        whole = there.reshape(-1, 2).all(1) & ~np.isnan(self._asked.chosen)
        pairs = Rows(self._asked.lane[whole], self._asked.step[whole])
        if len(pairs.step):
            questions = [Question(clip[0], clip[1]) for clip in self._clips(replay, pairs)]
            known.add(questions, self._asked.chosen[whole].tolist())
        return known

    def _pay(self, replay: Replay, rows: Rows) -> None:
        seen = replayed(replay, rows)
        if seen is not None:
            replay.set_reward(rows, self._payments(seen), self._version)

    def _payments(self, seen: Replayed) -> np.ndarray:
        worth = worth_of(self._net, seen.clip[self._camera], self._config)
        scores = Scores(worth, *[np.clip((worth + 1.0) / 2.0, 0.0, 1.0)] * 2)
        return payments(scores, seen.own, self._reward)

    # -------------------------------------------------------------------- state

    def metrics(self) -> dict[str, float]:
        said = int((~np.isnan(self._asked.chosen)).sum())
        return {"choices": float(said), "choices_explained": self._explained}

    def state_dict(self) -> dict[str, Any]:
        truth = np.array([[*key, own] for key, own in self._truth.items()], np.float64)
        return {
            "net": self._net.state_dict(),
            "asked": {name: torch.from_numpy(x) for name, x in vars(self._asked).items()},
            "truth": torch.from_numpy(truth.reshape(-1, 3)),
            "steps": self._steps,
            "due": self._due,
            "version": self._version,
            "explained": self._explained,
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._net.load_state_dict(state["net"])
        self._asked = _Asked(**{name: x.numpy() for name, x in state["asked"].items()})
        self._truth = {(int(a), int(b)): own for a, b, own in state["truth"].tolist()}
        self._steps, self._due = state["steps"], state["due"]
        self._version, self._explained = state["version"], state["explained"]
        self._rng.bit_generator.state = state["rng"]

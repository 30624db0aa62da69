"""Episodes that are paid once they are over: beside the run, after a kill, while nobody answers."""

import logging
import math
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from robot_rl.agents.sac import SACConfig
from robot_rl.envs.reward import RewardConfig, TeachingConfig
from robot_rl.errors import ConfigError, RewardUnavailableError
from robot_rl.replay import Replay
from robot_rl.replay.device import DeviceFrames
from robot_rl.replay.draws import Transitions
from robot_rl.replay.storage import HostFrames
from robot_rl.rewards.model import Clip, RewardModel, Scores
from robot_rl.rewards.replayed import episodes_of, replayed, shown_after
from robot_rl.rewards.teachers import Choice, Question, Teacher, TruthfulTeacher
from robot_rl.training.labels import LabelEpisodes
from robot_rl.training.loop import Trainer
from robot_rl.training.parts import LoopConfig
from robot_rl.training.teaching import LearnFromChoices
from tests.training.tiny_parts import INTERFACE, STEPS, demonstrate, make_trainer, train

CAMERA = "image/cam0"
REWARD = RewardConfig(name="mean", when="episode")


def brightness(clip: Clip) -> np.ndarray:
    return clip[CAMERA].mean((1, 2, 3)).astype(np.float32) / 255.0


class Mean(RewardModel):
    """How bright a picture is. While `down` is set nobody answers."""

    sees = "episode"

    def __init__(self) -> None:
        self.down, self.clips = threading.Event(), 0

    @property
    def identity(self) -> str:
        return "mean"

    def score(self, clip: Clip, task: str) -> Scores:
        if self.down.is_set():
            raise RewardUnavailableError("nobody answers.")
        self.clips += 1
        return Scores.of_progress(brightness(clip))


def run(root: Path, steps: int, hook, demo_episodes: int = 0) -> Trainer:
    config = LoopConfig(
        steps=steps, eval_episodes=0, final_eval_episodes=0, checkpoint_every_s=1e-9
    )
    return make_trainer(root, config, SACConfig(), [hook], demo_episodes)


def finish(hook: LabelEpisodes, replay: Replay, timeout_s: float) -> bool:
    """Wait for what is being labelled; whether all of it was."""
    until_s = time.monotonic() + timeout_s
    while hook.metrics()["unlabelled"] and time.monotonic() < until_s:
        hook.before_draw(replay, 0)
        time.sleep(0.01)
    return not hook.metrics()["unlabelled"]


def wanted(trainer: Trainer) -> tuple[np.ndarray, np.ndarray]:
    """What every finished step is paid, and what its brightness says."""
    replay = trainer.parts.replay
    paid, said = [], []
    for rows in episodes_of(replay):
        seen = replayed(replay, rows)
        paid.append(seen.own)
        said.append(brightness(seen.clip)[1:])
    return np.concatenate(paid), np.concatenate(said)


def test_every_finished_episode_is_paid_by_what_it_led_to(tmp_path):
    hook = LabelEpisodes(Mean(), "", REWARD)
    trainer = run(tmp_path, 4 * STEPS, hook)
    trainer.load_or_start()
    assert train(trainer)
    assert finish(hook, trainer.parts.replay, 10.0)
    paid, said = wanted(trainer)
    assert len(paid) == 4 * STEPS
    np.testing.assert_allclose(paid, said, atol=1e-6)
    assert hook.metrics() == {"unlabelled": 0.0}


def test_what_a_killed_run_had_not_labelled_is_labelled_by_the_next(tmp_path):
    silent = Mean()
    silent.down.set()
    first = run(tmp_path, 3 * STEPS, LabelEpisodes(silent, "", REWARD))
    first.load_or_start()
    train(first)  # as if it were killed: nothing waits for the thread
    assert (wanted(first)[0] == [1, 2, 3] * 3).all()  # as recorded
    hook = LabelEpisodes(Mean(), "", REWARD)
    second = run(tmp_path, 5 * STEPS, hook)
    assert second.load_or_start()
    assert train(second)
    assert finish(hook, second.parts.replay, 10.0)
    paid, said = wanted(second)
    assert len(paid) == 5 * STEPS
    np.testing.assert_allclose(paid, said, atol=1e-6)


def test_while_nobody_answers_collecting_goes_on_and_labels_are_caught_up(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("robot_rl.training.labels._WAIT_S", 0.01)
    model = Mean()
    model.down.set()
    hook = LabelEpisodes(model, "", REWARD)
    trainer = run(tmp_path, 3 * STEPS, hook)
    trainer.load_or_start()
    with caplog.at_level(logging.WARNING):
        assert train(trainer)
        assert not finish(hook, trainer.parts.replay, 0.2)
    assert hook.metrics() == {"unlabelled": 3.0}
    assert [r.message for r in caplog.records if "nobody answers" in r.message] == [
        "nobody answers. Collecting goes on; labels are caught up later."
    ]  # once, not for each try
    model.down.clear()
    assert finish(hook, trainer.parts.replay, 10.0)
    np.testing.assert_allclose(*wanted(trainer), atol=1e-6)


def test_demonstrations_alone(tmp_path):
    model = Mean()
    hook = LabelEpisodes(model, "", REWARD, lanes={1})
    trainer = run(tmp_path, 2 * STEPS, hook, demo_episodes=2)
    trainer.load_or_start()
    assert train(trainer)
    assert finish(hook, trainer.parts.replay, 10.0)
    assert model.clips == 2
    versions = trainer.parts.replay.storage.version[trainer.parts.replay.storage.has_action]
    assert sorted(versions.tolist()) == [0] * 2 * STEPS + [1] * 2 * STEPS


def test_the_tasks_share_is_paid_once(tmp_path):
    """What is recorded is its share already; demonstrations are recorded whole."""
    config = RewardConfig(name="mean", when="episode", own_share=0.5)
    hook = LabelEpisodes(Mean(), "", config)
    trainer = run(tmp_path, 2 * STEPS, hook, demo_episodes=1)
    trainer.load_or_start()
    assert train(trainer)
    assert finish(hook, trainer.parts.replay, 10.0)
    for rows in episodes_of(trainer.parts.replay):
        seen = replayed(trainer.parts.replay, rows)
        share = np.array([1.0, 2.0, 3.0]) * (0.5 if rows.lane[0] == 1 else 1.0)
        np.testing.assert_allclose(seen.own, share + 0.5 * brightness(seen.clip)[1:], atol=1e-6)


def test_frames_that_a_device_keeps_are_shown_alike():
    shown = []
    for store in (HostFrames, partial(DeviceFrames, device=torch.device("cpu"))):
        replay = Replay(50, Transitions(nstep=1), INTERFACE, 1, 0, store, demo_rows=STEPS + 1)
        demonstrate(replay, 1)
        (rows,) = episodes_of(replay)
        shown.append((replayed(replay, rows).clip, shown_after(replay, rows[:1], 2, CAMERA)))
    (host, after), (device, after_device) = shown
    for key in host:
        np.testing.assert_array_equal(host[key], device[key])
    np.testing.assert_array_equal(after, after_device)
    np.testing.assert_array_equal(after[0], host[CAMERA][1:3])


def test_a_model_that_breaks_stops_the_run(tmp_path):
    class Broken(Mean):
        def score(self, clip: Clip, task: str) -> Scores:
            raise ConfigError("broken")

    hook = LabelEpisodes(Broken(), "", REWARD)
    trainer = run(tmp_path, 2 * STEPS, hook)
    trainer.load_or_start()

    def until_it_is_told() -> None:
        train(trainer)
        finish(hook, trainer.parts.replay, 10.0)

    with pytest.raises(ConfigError, match="broken"):
        until_it_is_told()


# ------------------------------------------------------------------- from choices


class Brighter(Teacher):
    """Prefers the brighter picture; nobody is there at the first call."""

    slow = True

    def __init__(self, absent: bool) -> None:
        self.absent, self.calls = absent, 0

    def choose(self, questions, task) -> list[Choice]:
        self.calls += 1
        if self.absent and self.calls == 1:
            raise RewardUnavailableError("the teacher is out.")
        return [float(q.first.mean() > q.second.mean()) for q in questions]


def taught(teacher: Teacher, **teaching) -> LearnFromChoices:
    settings = TeachingConfig(
        teacher="truth", **{"queries": 6, "every_steps": STEPS, "updates": 3, **teaching}
    )
    reward = RewardConfig(name="preferences", teaching=settings)
    return LearnFromChoices(teacher, "", reward, CAMERA, 36, seed=0)


def test_the_whole_replay_is_paid_by_what_was_learned_last(tmp_path):
    teacher = Brighter(absent=False)
    teacher.slow = False
    hook = taught(teacher, most=12)
    trainer = run(tmp_path, 5 * STEPS, hook, demo_episodes=1)
    trainer.load_or_start()
    assert train(trainer)
    assert teacher.calls == 2  # most is reached
    assert hook.metrics()["choices"] == 12.0
    replay = trainer.parts.replay
    seen = [(replayed(replay, rows), rows) for rows in episodes_of(replay)]
    assert len(seen) == 6  # demonstrations, too
    for one, _ in seen:
        np.testing.assert_allclose(one.own, hook._payments(one), atol=1e-5)
        assert set(one.version.tolist()) <= {2}


def test_a_slow_teacher_is_asked_beside_the_run_and_again_when_he_was_out(tmp_path, caplog):
    teacher = Brighter(absent=True)
    hook = taught(teacher, every_steps=1)
    trainer = run(tmp_path, 400, hook)
    trainer.load_or_start()
    with caplog.at_level(logging.WARNING):
        train(trainer, updates=150)
    assert "the teacher is out. Collecting goes on" in caplog.text
    assert teacher.calls >= 2
    assert hook.metrics()["choices"] >= 6.0


class Listening(TruthfulTeacher):
    def __init__(self, error_rate: float, equal_below: float, seed: int) -> None:
        super().__init__(error_rate, equal_below, seed)
        self.asked: list[Question] = []

    def choose(self, questions, task) -> list[Choice]:
        self.asked.extend(questions)
        return super().choose(questions, task)


def test_truths_are_those_of_what_is_shown(tmp_path):
    """A clip is worth what the steps that led to its pictures were paid, in its own episode."""
    teacher = Listening(0.0, 1e-3, 0)
    hook = taught(teacher, queries=30, clip_steps=2)
    trainer = run(tmp_path, 3 * STEPS, hook)
    trainer.load_or_start()
    with_truths(trainer)
    assert train(trainer)
    worth = {}
    for rows in episodes_of(trainer.parts.replay, running=True):
        clip = replayed(trainer.parts.replay, rows).clip[CAMERA]
        worth[clip[1:3].tobytes()] = 10.0 + 20.0
        worth[clip[2:4].tobytes()] = 20.0 + 30.0
    assert len(worth) == 6
    seen = [frames.tobytes() for q in teacher.asked for frames in (q.first, q.second)]
    assert set(seen) == set(worth)  # the last picture of an episode and of the newest one, too
    for question in teacher.asked:
        for frames, truth in zip((question.first, question.second), question.truths, strict=True):
            assert worth[frames.tobytes()] == truth


def test_an_episode_that_its_actors_death_cut_off_is_not_asked_about(tmp_path):
    teacher = Listening(0.0, 1e-3, 0)
    hook = taught(teacher, queries=30, clip_steps=2)
    trainer = run(tmp_path, 3 * STEPS, hook)
    trainer.load_or_start()
    with_truths(trainer, unknown=STEPS)
    assert train(trainer)
    truths = {truth for question in teacher.asked for truth in question.truths}
    assert truths == {10.0 + 20.0, 20.0 + 30.0}
    cut = list(episodes_of(trainer.parts.replay, running=True))[1]
    shown = replayed(trainer.parts.replay, cut).clip[CAMERA]
    seen = {frames.tobytes() for q in teacher.asked for frames in (q.first, q.second)}
    assert seen.isdisjoint({shown[1:3].tobytes(), shown[2:4].tobytes()})


def with_truths(trainer: Trainer, unknown: int = -1) -> None:
    """As an environment tells them that a reward model pays in; not of the episode that begins with
    step `unknown`."""
    ended = trainer.learner.end_episode

    def told(episode) -> None:
        known = 10.0 if episode.first_step != unknown else math.nan
        episode.own_rewards = [known * t for t in range(1, episode.length + 1)]
        ended(episode)

    trainer.learner.end_episode = told  # type: ignore[method-assign]


def test_a_run_that_was_killed_goes_on_asking(tmp_path):
    """Two steps into an episode: nobody knows what those were worth, and they are not asked
    about."""
    first = run(tmp_path, 2 * STEPS + 2, taught(TruthfulTeacher(0.0, 1e-3, 0)))
    first.load_or_start()
    with_truths(first)
    assert train(first)
    hook = taught(TruthfulTeacher(0.0, 1e-3, 0))
    second = run(tmp_path, 6 * STEPS, hook)
    assert second.load_or_start()
    with_truths(second)
    assert train(second)
    assert hook.metrics()["choices"] > 12.0


def test_after_a_lost_checkpoint_nothing_older_stays_in_the_replay(tmp_path):
    """Rewards on disk are of a later version than what the hook remembers."""
    teacher = Brighter(absent=False)
    teacher.slow = False
    first = run(tmp_path, 4 * STEPS, taught(teacher))
    first.load_or_start()
    assert train(first)
    assert first.parts.replay.storage.version.max() >= 3
    replay = first.parts.replay
    fresh = taught(teacher)
    fresh.before_draw(replay, 0)
    fresh._ask(replay)
    for rows in episodes_of(replay, running=True):
        seen = replayed(replay, rows)
        np.testing.assert_allclose(seen.own, fresh._payments(seen), atol=1e-5)


def test_its_state_comes_back(tmp_path):
    teacher = Brighter(absent=False)
    teacher.slow = False
    hook = taught(teacher)
    trainer = run(tmp_path, 3 * STEPS, hook)
    trainer.load_or_start()
    train(trainer)
    again = taught(Brighter(absent=False))
    again.load_state_dict(hook.state_dict())
    assert again.metrics() == hook.metrics()
    rows = next(iter(episodes_of(trainer.parts.replay)))
    seen = replayed(trainer.parts.replay, rows)
    np.testing.assert_array_equal(again._payments(seen), hook._payments(seen))


def test_choices_that_are_all_equal_change_nothing(tmp_path, caplog):
    class Indifferent(Brighter):
        def choose(self, questions, task) -> list[Choice]:
            return [0.5] * len(questions)

    teacher = Indifferent(absent=False)
    teacher.slow = False
    trainer = run(tmp_path, 2 * STEPS, taught(teacher))
    trainer.load_or_start()
    with caplog.at_level(logging.WARNING):
        assert train(trainer)
    assert "choices are equal" in caplog.text
    assert (wanted(trainer)[0] == [1, 2, 3] * 2).all()

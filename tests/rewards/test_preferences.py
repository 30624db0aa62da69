"""Rewards from choices: Bradley and Terry's loss by hand, learning, teachers, folders."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robot_rl.envs.reward import TeachingConfig
from robot_rl.errors import ConfigError, CorruptFileError
from robot_rl.rewards.preferences import (
    Choices,
    PreferenceConfig,
    PreferenceNet,
    PreferenceReward,
    bradley_terry,
    fit,
    save,
    worth_of,
)
from robot_rl.rewards.ranks import rank_correlation
from robot_rl.rewards.teachers import Question, TruthfulTeacher, make_teacher
from tests.rewards.seen import CAMERA, INTERFACE, clip, picture

CONFIG = PreferenceConfig(size=32, updates=60, lr=1e-3)


def test_the_loss_by_hand():
    returns = torch.tensor([[2.0, 1.0], [0.0, 0.0]])
    # -log sigmoid(1) for a right choice, and log 2 where both are alike.
    alike = bradley_terry(returns, torch.tensor([1.0, 0.5]))
    assert float(alike) == pytest.approx((np.log1p(np.exp(-1.0)) + np.log(2.0)) / 2)
    wrong = bradley_terry(returns[:1], torch.tensor([0.0]))
    assert float(wrong) == pytest.approx(np.log1p(np.exp(1.0)))


def questions(n: int, seed: int = 0) -> list[Question]:
    rng = np.random.default_rng(seed)
    asked = []
    for _ in range(n):
        heights = rng.random(2)
        frames = [picture(h, int(rng.integers(4, 20)))[None] for h in heights]
        asked.append(Question(frames[0], frames[1], (heights[0], heights[1])))
    return asked


def taught(error_rate: float) -> tuple[PreferenceNet, float]:
    torch.manual_seed(0)
    net, choices, asked = PreferenceNet(CONFIG), Choices(CONFIG), questions(80)
    choices.add(asked, TruthfulTeacher(error_rate, 1e-3, seed=1).choose(asked, ""))
    return net, fit(net, choices, CONFIG, np.random.default_rng(0))


@pytest.mark.parametrize("error_rate", [0.0, 0.1])
def test_the_order_is_learned_from_a_teacher_that_errs_now_and_then(error_rate):
    net, explained = taught(error_rate)
    frames = np.stack([picture(h) for h in np.linspace(0, 1, 9)])
    assert rank_correlation(worth_of(net, frames, CONFIG), np.arange(9)) > 0.75
    assert explained > 0.8


def test_a_truthful_teacher_errs_as_often_as_it_was_told():
    asked = questions(2000)
    right = [float(q.truths[0] > q.truths[1]) for q in asked]
    said = TruthfulTeacher(0.1, 0.0, seed=0).choose(asked, "")
    wrong = np.mean([a != b for a, b in zip(said, right, strict=True)])
    assert 0.08 < wrong < 0.12
    assert TruthfulTeacher(0.0, 0.5, 0).choose([Question(*[clip()[CAMERA]] * 2, (0.3, 0.6))], "")[
        0
    ] == pytest.approx(0.5)
    with pytest.raises(ConfigError, match="paid by nobody"):
        TruthfulTeacher(0.0, 0.0, 0).choose([Question(*[clip()[CAMERA]] * 2)], "")
    with pytest.raises(ConfigError, match="nobody teaches"):
        make_teacher(TeachingConfig(), 0, Path("unused"))


def test_choices_that_say_nothing_are_left_out_and_equal_ones_teach_nothing():
    choices = Choices(CONFIG)
    assert choices.add(questions(3), [None, 0.5, None]) == 1
    assert len(choices) == 1
    with pytest.raises(ConfigError, match="all 1 choices are equal"):
        fit(PreferenceNet(CONFIG), choices, CONFIG, np.random.default_rng(0))


def test_its_folder_scores_as_it_did(tmp_path):
    net, _ = taught(0.0)
    frames = clip()[CAMERA]
    worth = worth_of(net, frames, CONFIG)
    save(net, CONFIG, tmp_path / "reward", worth, 80)
    model = PreferenceReward(INTERFACE, str(tmp_path / "reward"))
    scores = model.score(clip(), "")
    np.testing.assert_allclose(scores.per_step, worth)
    assert scores.progress[0] < 0.1 < 0.9 < scores.progress[-1]
    with pytest.raises(ConfigError, match="or somebody who is asked"):
        PreferenceReward(INTERFACE)
    with pytest.raises(CorruptFileError, match="no usable preference reward"):
        PreferenceReward(INTERFACE, str(tmp_path))

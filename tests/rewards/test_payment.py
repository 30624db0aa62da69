"""What scores pay: by hand."""

import dataclasses

import numpy as np
import pytest

from robot_rl.envs.reward import RewardConfig, TeachingConfig
from robot_rl.errors import ConfigError
from robot_rl.rewards.model import Scores
from robot_rl.rewards.payment import payments

SCORES = Scores(
    per_step=np.array([0.0, 2.0, 4.0], np.float32),
    progress=np.array([0.1, 0.3, 0.9], np.float32),
    success=np.array([0.0, 0.4, 0.8], np.float32),
)
OWN = np.array([10.0, 20.0], np.float32)


def paid(**settings: float | bool) -> list[float]:
    own = OWN if "own_share" in settings else np.zeros_like(OWN)
    return payments(SCORES, own, RewardConfig(name="x", **settings)).tolist()


def test_a_step_is_paid_by_what_it_led_to():
    assert paid() == [2.0, 4.0]
    assert paid(scale=0.5) == [1.0, 2.0]


def test_a_threshold_pays_one_for_success():
    assert paid(threshold=0.5) == [0.0, 1.0]
    assert paid(threshold=0.4) == [1.0, 1.0]


def test_a_potential_pays_the_difference_of_progress():
    assert paid(shaping=True, shaping_gamma=0.5) == pytest.approx([0.05, 0.15])


def test_the_sum_of_a_potential_is_its_ends_alone():
    """Ng et al. 1999: with gamma 1 it telescopes, so no way round pays more than another."""
    assert sum(paid(shaping=True, shaping_gamma=1.0)) == pytest.approx(0.8)


def test_the_tasks_share_comes_as_it_is_paid():
    assert paid(own_share=0.25) == pytest.approx([0.75 * 2 + 10.0, 0.75 * 4 + 20.0])


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "vlm_rm"},
        {"name": ""},
        {"settings": {"folder": "x"}},
        {"own_share": 0.5},
        {"ends_after": 1, "threshold": 0.5},
    ],
)
def test_who_chooses_teaches_a_reward_of_its_own(settings):
    teaching = TeachingConfig(teacher="truth")
    RewardConfig(name="preferences", teaching=teaching)
    with pytest.raises(ConfigError, match=r"teaching\.teacher"):
        RewardConfig(**{"name": "preferences", "teaching": teaching, **settings})


def test_settings_that_contradict_each_other_are_refused():
    for settings, words in (
        ({"threshold": 0.5, "shaping": True}, "choose one"),
        ({"threshold": 2.0}, r"lies in \[0, 1\]"),
        ({"ends_after": 2}, "set when=step and a threshold"),
        ({"ends_after": 2, "threshold": 0.5, "when": "episode"}, "set when=step"),
        ({"ends_after": -1}, "at least 0"),
    ):
        with pytest.raises(ConfigError, match=words):
            RewardConfig(name="x", **settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="says the opposite"):
        TeachingConfig(error_rate=0.6)
    with pytest.raises(ConfigError, match="queries is 0"):
        TeachingConfig(queries=0)


def test_scores_join_and_end():
    both = SCORES.and_then(SCORES.last())
    assert both.per_step.tolist() == [0.0, 2.0, 4.0, 4.0]
    assert [len(x) for x in dataclasses.astuple(both)] == [4, 4, 4]

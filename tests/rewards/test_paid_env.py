"""A reward model in an environment: what it pays, whose success is told, and when it ends."""

import dataclasses

import numpy as np
import pytest

from robot_rl.build.compose import compose, elsewhere
from robot_rl.build.envs import build_env
from robot_rl.cli import main
from robot_rl.envs.registry import RenderConfig
from robot_rl.envs.reward import RewardConfig
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.rewards.model import Clip, RewardModel, Scores
from robot_rl.rewards.paid_env import PaidEnv, UnpaidEnv, paid
from tests.training.tiny_parts import ThreeSteps


class Counting(RewardModel):
    """As many tenths as it was shown observations."""

    def __init__(self, sees: str) -> None:
        self.sees = sees  # type: ignore[misc]

    @property
    def identity(self) -> str:
        return "counting"

    def score(self, clip: Clip, task: str) -> Scores:
        length = len(clip["image/cam0"])
        return Scores.of_progress(np.arange(1, length + 1) / 10.0)


def stepped(env) -> list[tuple]:
    env.reset(seed=0)
    return [env.step(np.zeros(2, np.float32)) for _ in range(3)]


def test_a_model_of_the_past_is_shown_the_episode_so_far():
    env = PaidEnv(ThreeSteps(), Counting("past"), RewardConfig(name="counting"), "dense")
    for _ in range(2):  # each episode from its own beginning
        assert [step[1] for step in stepped(env)] == pytest.approx([0.2, 0.3, 0.4])
    one = PaidEnv(ThreeSteps(), Counting("observation"), RewardConfig(name="counting"), "dense")
    assert [step[1] for step in stepped(one)] == pytest.approx([0.1, 0.1, 0.1])


def test_the_tasks_own_reward_is_told_and_shared():
    config = RewardConfig(name="counting", own_share=0.5)
    steps = stepped(PaidEnv(ThreeSteps(), Counting("past"), config, "dense"))
    assert [s[1] for s in steps] == pytest.approx([0.6, 1.15, 1.7])
    assert [s[4]["own_reward"] for s in steps] == [1.0, 2.0, 3.0]
    assert [s[4]["task_success"] for s in steps] == [False, False, True]
    sparse = stepped(PaidEnv(ThreeSteps(), Counting("past"), config, "sparse"))
    assert [s[1] for s in sparse] == pytest.approx([0.1, 0.15, 0.7])


def test_success_that_holds_ends_the_episode_and_pays_then_alone():
    config = RewardConfig(name="counting", threshold=0.2, ends_after=2)
    first, second, _ = stepped(PaidEnv(ThreeSteps(), Counting("past"), config, "dense"))
    assert (first[1], first[2], first[4]["success"]) == (0.0, False, False)
    assert (second[1], second[2], second[4]["success"]) == (1.0, True, True)


def test_until_an_episode_is_over_nothing_is_paid():
    config = RewardConfig(name="counting", when="episode")
    env = paid(ThreeSteps(), config, "dense")
    assert isinstance(env, UnpaidEnv)
    steps = stepped(env)
    assert [s[1] for s in steps] == [0.0, 0.0, 0.0]
    assert [s[4]["own_reward"] for s in steps] == [1.0, 2.0, 3.0]
    with pytest.raises(ConfigError, match="cannot pay before one ends"):
        PaidEnv(ThreeSteps(), Counting("episode"), RewardConfig(name="gvl"), "dense")


def test_a_group_chooses_a_reward_and_its_file_refines_it():
    config = compose(["reward=classifier", "task.reward_model.settings.folder=x"]).task.reward_model
    assert (config.name, config.threshold, config.ends_after) == ("classifier", 0.5, 2)
    assert config.settings == {"folder": "x"}
    assert compose(["reward=random"]).task.reward_model.name == "random"  # it has no file
    assert not compose([]).task.reward_model.present
    with pytest.raises(UnknownNameError, match=r"unknown reward 'vlmrm'\. Choose one of: vlm_rm"):
        compose(["reward=vlmrm"])


def test_a_policy_is_evaluated_on_a_robot_by_the_reward_of_its_own():
    task = dataclasses.asdict(compose(["reward=random"]).task)
    chosen, robot = elsewhere(
        task, ["robot=sim_arm", "reward=classifier", "robot.success=reward_model"]
    )
    assert robot.present
    assert chosen.reward_model.name == "classifier"


def test_settings_that_a_model_does_not_take_are_told():
    task = compose(["reward=random", "task.reward_model.settings.hold=9"]).task
    with pytest.raises(ConfigError, match="'random' does not take these"):
        build_env(task, RenderConfig())


def test_what_does_not_fit_is_told_before_anything_runs(tmp_path, capsys):
    run_dir = f"run_dir={tmp_path}/run"
    for overrides, words in (
        (["reward=preferences"], "somebody who is asked"),
        (["reward=gvl", "task.reward_model.when=step"], "when=episode"),
        (["reward=vlm_rm"], "does not take these"),
        (["reward=random", "task=dmc/walker_walk", "task.reward_model.ends_after=1"], "threshold"),
    ):
        assert main(["train", run_dir, *overrides]) == 1
        said = capsys.readouterr().err
        assert words in said
        assert len(said.splitlines()) == 1 or "OpenGL" in said

"""Every evaluation tells of the running average and of the last weights; the first is at step 0."""

import numpy as np
import pytest

from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.training.evaluate import evaluate
from robot_rl.training.parts import LoopConfig
from tests.agents.tiny import make_agent
from tests.conftest import make_interface
from tests.training.tiny_parts import ThreeSteps, make_trainer, train
from tests.training.tiny_run import metrics


class PaidByAction(ThreeSteps):
    """The return tells policies apart: it is the sum of their actions."""

    def step(self, action):
        obs, _, terminated, truncated, info = super().step(action)
        return obs, float(action.sum()), terminated, truncated, info


LOOP = LoopConfig(steps=30, eval_every_steps=9, eval_episodes=2, final_eval_episodes=3, video=False)


def returns_of(policy, episodes: int) -> float:
    return float(np.mean(evaluate(policy, PaidByAction(), episodes, film=False).returns))


def test_a_run_records_both_from_step_0(tmp_path):
    trainer = make_trainer(tmp_path, LOOP, DrQV2Config(), eval_env=PaidByAction())
    untrained = returns_of(trainer.parts.agent.policy(), 2)
    assert train(trainer)
    rows = [row for row in metrics(tmp_path) if "eval/return_mean" in row]
    assert [row["step"] for row in rows] == [0, 9, 18, 27]
    assert rows[0]["eval/return_mean"] == pytest.approx(untrained)
    assert rows[0]["eval_last/return_mean"] == rows[0]["eval/return_mean"]
    for row in rows[1:]:
        assert row["eval_last/return_mean"] != row["eval/return_mean"]
    agent = trainer.parts.agent
    assert returns_of(agent.last_policy(), 3) != returns_of(agent.policy(), 3)


def test_a_robot_is_asked_for_no_episode_that_a_person_could_spare(tmp_path):
    trainer = make_trainer(tmp_path, LOOP, DrQV2Config(), eval_env=PaidByAction(), on_robot=True)
    assert train(trainer)
    rows = [row for row in metrics(tmp_path) if "eval/return_mean" in row]
    assert [row["step"] for row in rows] == [9, 18, 27]
    assert not any("eval_last/return_mean" in row for row in rows)


def test_without_an_average_the_last_weights_are_the_policy():
    agent = make_agent(DrQV2Config, make_interface(), policy_ema_decay=0.0)
    assert agent.last_policy() is agent.policy()


def test_what_is_evaluated_has_no_dropout_and_learns_on_with_it():
    agent = make_agent(DrQV2Config, make_interface())
    policy = agent.last_policy()
    policy.train()
    seen = []
    policy.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    policy.encoder.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    evaluate(policy, ThreeSteps(), 1, film=False)
    assert seen
    assert not any(seen)
    assert policy.training

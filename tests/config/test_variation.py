"""Presets of what varies, and where a trained policy is evaluated."""

import pytest

from robot_rl.build.compose import compose, compose_tree, elsewhere
from robot_rl.build.envs import build_evaluation_env
from robot_rl.config.files import options
from robot_rl.envs.registry import RenderConfig
from robot_rl.errors import UnknownNameError

TRAINED = compose_tree(["task=arm/lift", "task.reward=sparse", "variation=strong"])["task"]


def test_presets_are_files_and_none_varies_nothing():
    assert options("variation") == ["distracting", "mild", "none", "strong"]
    for name in options("variation"):
        assert compose([f"variation={name}"]).task.variation.varies == (name != "none")
    own = compose(["variation=mild", "task.variation.friction=[0.5,2]"]).task.variation
    assert own.friction == (0.5, 2.0)
    assert own.mass == (0.9, 1.1)
    with pytest.raises(UnknownNameError, match="Choose one of: strong"):
        compose(["variation=storng"])


def test_a_policy_is_evaluated_in_simulations_that_vary_otherwise():
    task, robot = elsewhere(TRAINED, ["variation=distracting"])
    assert not robot.present
    assert (task.name, task.reward) == ("arm/lift", "sparse")
    assert task.variation.background == "ground"
    assert task.variation.friction == (1.0, 1.0)
    assert not elsewhere(TRAINED, ["variation=none"])[0].variation.varies


def test_on_a_robot_nothing_varies():
    task, robot = elsewhere(TRAINED, ["robot=sim_arm"])
    assert robot.present
    assert not task.variation.varies


def test_evaluations_show_clips_that_training_does_not():
    task = compose(["task=arm/reach", "variation=distracting"]).task
    assert not task.variation.held_out
    env = build_evaluation_env(task, RenderConfig())
    told = {env.reset(seed=seed)[1]["variation"]["background_clip"] for seed in range(20)}
    env.close()
    assert told <= {0.0, 1.0, 2.0, 3.0}  # of four, where training has sixteen
    assert len(told) > 1

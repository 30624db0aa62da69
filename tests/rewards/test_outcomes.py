"""Episodes of every outcome, what is said of them, and the decoys they show."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig
from robot_rl.errors import ConfigError
from robot_rl.rewards.outcomes import OUTCOMES, SUCCESS, OutcomePlayer
from robot_rl.rewards.sentences import SENTENCES
from sim.captions import captioned, facts


def task(name: str, **settings) -> TaskConfig:
    return TaskConfig(name=name, cameras={"front": CameraSpec()}, image_size=16, **settings)


@contextlib.contextmanager
def player(name: str):
    opened = OutcomePlayer(task(name), RenderConfig(), seed=3)
    with contextlib.closing(opened):
        yield opened


@pytest.mark.parametrize("name", ["arm/lift", "arm/push", "arm/stack"])
def test_each_outcome_is_what_it_is_called(name):
    with player(name) as played:
        assert played.outcomes == OUTCOMES
        for outcome in OUTCOMES:
            episode = next(played.episodes(outcome))
            said = {fact.about: fact.level for fact in facts(played.env.unwrapped.simulation)}
            meant = said["the blue cube" if name == "arm/push" else "the red cube"]
            rewards = [step.reward for step in episode.steps]
            assert len(rewards) == played.env.unwrapped.max_episode_steps
            assert (max(rewards) == 1.0) == (outcome == SUCCESS)
            assert (meant == 1.0) == (outcome == SUCCESS)
            if outcome == "near_miss":
                assert max(rewards) > 2.0 * rewards[0] or max(rewards) > 0.6
            if outcome == "wrong_object" and name != "arm/stack":
                other = "the red cube" if name == "arm/push" else "the blue cube"
                assert said[other] == 1.0
            if outcome == "nothing":
                moved = np.abs([step.action[:3] for step in episode.steps]).mean()
                assert moved < 0.15


def test_a_task_with_one_object_has_no_wrong_one():
    with player("arm/door") as played:
        assert "wrong_object" not in played.outcomes
        assert max(s.reward for s in next(played.episodes("wrong_place")).steps) < 0.5


def test_a_swapped_episode_is_the_other_with_the_cubes_exchanged():
    places = {}
    for decoy in ("apart", "swapped"):
        for name in ("arm/lift", "arm/push"):
            from robot_rl.envs.registry import open_env

            env = open_env(task(name, options={"decoy": decoy}), RenderConfig())
            env.reset(seed=5)
            data = env.unwrapped.simulation.data
            places[name, decoy] = [data.body(b).xpos[:2].copy() for b in ("cube", "decoy")]
            env.close()
    for name in ("arm/lift", "arm/push"):
        np.testing.assert_allclose(places[name, "apart"], places[name, "swapped"][::-1])
        gap_m = np.linalg.norm(np.diff(places[name, "apart"], axis=0))
        assert gap_m > 0.084


def test_every_task_of_the_suite_has_words_and_a_story_that_rises():
    assert set(captioned()) == set(SENTENCES)
    for name in captioned():
        with player(name) as played:
            env = played.env
            env.reset(seed=1)
            levels = []
            while not levels or (levels[-1] < 1.0 and len(levels) < 150):
                env.step(env.expert_action())
                levels.append(facts(env.unwrapped.simulation)[0].level)
            assert levels[-1] == 1.0
            assert levels[0] < 0.6
            # Stages come in their order, but for a step or two where one is on its border.
            assert np.mean(np.diff(levels) >= 0) > 0.85
            last = facts(env.unwrapped.simulation)[0].sentences
            assert SENTENCES[name].goal in last


def test_goal_and_baseline_are_said_by_the_simulation_itself():
    """What VLM-RM asks for are sentences that sim_clip has learned."""
    source = (Path(__file__).parents[2] / "sim" / "captions.py").read_text()
    for sentences in SENTENCES.values():
        for said in (sentences.goal, sentences.baseline, *sentences.near):
            words = said.replace("the red cube", "{cube}").replace("the blue cube", "{cube}")
            words = words.replace("the green disc", "{disc}")
            assert said in source or words in source, said


def test_what_nobody_can_show_is_refused():
    with pytest.raises(ConfigError, match="has no scripted expert"):
        OutcomePlayer(
            TaskConfig(name="dmc/cartpole_balance", cameras={"0": CameraSpec()}, image_size=16),
            RenderConfig(),
            0,
        )
    with player("arm/reach") as played:
        simulation = played.env.unwrapped.simulation
        simulation.name = "arm/unknown"
        with pytest.raises(ConfigError, match="no captions for arm/unknown"):
            facts(simulation)

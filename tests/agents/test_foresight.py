"""Open-loop prediction: what is drawn follows what was seen, and then the actions alone."""

import numpy as np
import pytest
import torch

from robot_rl.agents.base import Foresees
from robot_rl.networks.decoder import as_frames, pixels
from tests.agents.test_dreamer import INTERFACE, agent_of
from tests.agents.test_tdmpc2 import agent_of as planner_of
from tests.conftest import random_obs

CONTEXT, STEPS = 3, 7


@pytest.fixture
def episode():
    rng = np.random.default_rng(0)
    seen = [random_obs(INTERFACE, rng) for _ in range(STEPS + 1)]
    return seen, rng.uniform(-1, 1, (STEPS, INTERFACE.action_size)).astype(np.float32)


@pytest.fixture
def dreamer():
    """Its decoder as sharp as if it were trained: what differs in a state differs in a pixel."""
    torch.manual_seed(0)
    agent = agent_of("dreamer")
    for layer in agent.representation.decoder.frames.modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.ConvTranspose2d):
            layer.weight.data.mul_(4.0)
    return agent


def test_frames_are_of_every_camera_and_of_every_step(dreamer, episode):
    drawn = dreamer.foresee(*episode, CONTEXT)
    assert drawn.keys() == {camera.key for camera in INTERFACE.cameras}
    assert all(x.dtype == np.uint8 and x.shape == (STEPS + 1, 32, 32, 3) for x in drawn.values())


def test_after_the_context_only_actions_count(dreamer, episode):
    seen, applied = episode
    before = dreamer.foresee(seen, applied, CONTEXT)["image/cam0"]
    rng = np.random.default_rng(1)
    other = [*seen[:CONTEXT], *(random_obs(INTERFACE, rng) for _ in seen[CONTEXT:])]
    np.testing.assert_array_equal(dreamer.foresee(other, applied, CONTEXT)["image/cam0"], before)
    moved = applied.copy()
    moved[CONTEXT] *= -1.0  # leads to frame CONTEXT + 1
    after = dreamer.foresee(seen, moved, CONTEXT)["image/cam0"]
    np.testing.assert_array_equal(after[: CONTEXT + 1], before[: CONTEXT + 1])
    assert (after[CONTEXT + 1] != before[CONTEXT + 1]).any()


def test_within_the_context_each_observation_counts(dreamer, episode):
    seen, applied = episode
    before = dreamer.foresee(seen, applied, CONTEXT)["image/cam0"]
    other = list(seen)
    other[1] = random_obs(INTERFACE, np.random.default_rng(2))
    after = dreamer.foresee(other, applied, CONTEXT)["image/cam0"]
    assert [bool((a != b).any()) for a, b in zip(after, before, strict=True)][:2] == [False, True]


def test_the_probe_draws_for_those_who_learn_without_a_decoder(episode):
    assert agent_of("repo").foresee(*episode, CONTEXT) is None
    assert agent_of("repo", probe=True).foresee(*episode, CONTEXT) is not None
    assert not isinstance(planner_of(), Foresees)


def test_frames_come_back_from_what_a_decoder_learns():
    frames = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16)
    np.testing.assert_array_equal(as_frames(pixels(frames)), frames.permute(0, 2, 3, 1).numpy())

"""VLM-RM: the paper's definition in closed form, and the model around it."""

import numpy as np
import pytest
import torch

from robot_rl.errors import ConfigError, InterfaceMismatchError
from robot_rl.rewards.encoders import sim_clip
from robot_rl.rewards.vlm_rm import VlmRm, goal_baseline_reward
from tests.conftest import make_interface
from tests.rewards.seen import INTERFACE, clip


def unit(*vector: float) -> np.ndarray:
    return np.array(vector, np.float32) / np.linalg.norm(vector)


def test_without_a_baseline_it_is_the_cosine():
    goal, baseline = unit(1, 0, 0), unit(0, 1, 0)
    states = np.stack([unit(1, 0, 0), unit(1, 1, 0), unit(0, 0, 1)])
    said = goal_baseline_reward(states, goal, baseline, alpha=0.0)
    np.testing.assert_allclose(said, states @ goal, atol=1e-6)


def test_with_the_whole_projection_only_the_line_counts():
    goal, baseline = unit(1, 0, 0), unit(0, 1, 0)
    # Off the line by any amount, at the goal, at the baseline, and in the middle between them.
    states = np.array([[1, 0, 5], [1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]], np.float32)
    said = goal_baseline_reward(states, goal, baseline, alpha=1.0)
    np.testing.assert_allclose(said, [1.0, 1.0, 1.0 - 0.5 * 2.0, 1.0 - 0.5 * 0.5], atol=1e-6)


def test_half_way_by_hand():
    goal, baseline = unit(1, 0), unit(-1, 0)
    # s - g = (-1, 1): along the line (-1, 0), across (0, 1); halved across alone.
    said = goal_baseline_reward(np.array([[0.0, 1.0]], np.float32), goal, baseline, alpha=0.5)
    assert said[0] == pytest.approx(1.0 - 0.5 * (1.0 + 0.25))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("clip") / "model"
    sim_clip.save(sim_clip.SimClip(32), path, {})
    return path


def test_success_is_a_softmax_over_what_is_not_wanted(folder):
    model = VlmRm(INTERFACE, f"sim_clip:{folder}", "a cube", ["a dog"], alpha=0.5)
    scores = model.score(clip(), "a door")
    encoder = sim_clip.load(str(folder))
    pictures = encoder.encode(clip()["image/cam0"])
    cosines = pictures @ encoder.encode_text(["a door", "a cube", "a dog"]).T
    chances = np.exp(cosines / encoder.temperature)
    np.testing.assert_allclose(scores.success, chances[:, 0] / chances.sum(1), rtol=1e-4)
    assert encoder.temperature == pytest.approx(np.exp(-2.6))
    assert ((scores.progress >= 0) & (scores.progress <= 1)).all()
    assert "a dog" in model.identity
    assert encoder.identity in model.identity


def test_bad_settings_are_told(folder):
    spec = f"sim_clip:{folder}"
    with pytest.raises(ConfigError, match="nobody has said what test/tiny looks like before"):
        VlmRm(INTERFACE, spec)
    with pytest.raises(ConfigError, match="are the same to sim_clip"):
        VlmRm(INTERFACE, spec, "a door").score(clip(), "a door")
    with pytest.raises(ConfigError, match=r"alpha is 2; it lies in \[0, 1\]"):
        VlmRm(INTERFACE, spec, "a", alpha=2)
    with pytest.raises(ConfigError, match="reads no sentences"):
        VlmRm(INTERFACE, "pixels", "a")
    with pytest.raises(InterfaceMismatchError, match="no camera 'wrist'"):
        VlmRm(INTERFACE, spec, "a", camera="wrist")
    with pytest.raises(InterfaceMismatchError, match="have no camera"):
        VlmRm(make_interface(cameras=0), spec, "a")

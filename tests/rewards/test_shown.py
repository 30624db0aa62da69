"""Rewards from demonstrations and pictures of the goal: goal picture, subgoals, perceptual steps,
nearest and transported."""

import cv2
import numpy as np
import pytest

from robot_rl.episodes.folder import StoredEpisode
from robot_rl.errors import ConfigError
from robot_rl.replay.storage import Step
from robot_rl.rewards.demonstrated import Demonstrated
from robot_rl.rewards.goal_picture import GoalPicture, demonstrated, distances
from robot_rl.rewards.model import clip_of
from robot_rl.rewards.perceptual_steps import PerceptualSteps, select, split
from robot_rl.rewards.ranks import rank_correlation
from robot_rl.rewards.subgoals import Subgoals, decompose, typical
from tests.rewards.seen import CAMERA, INTERFACE, STEPS, climb, clip, picture, record


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos")
    return str(record(folder, [climb(left=left) for left in (8, 10, 12)]))


@pytest.mark.parametrize(
    "make",
    [
        lambda demos: GoalPicture(INTERFACE, demos, "pixels"),
        lambda demos: Subgoals(INTERFACE, demos, "pixels", least_steps=3),
        lambda demos: Demonstrated(INTERFACE, demos, "nearest", "pixels"),
        lambda demos: Demonstrated(INTERFACE, demos, "transport", "pixels"),
    ],
)
def test_a_success_gets_further_than_a_failure(make, demos):
    model = make(demos)
    good, bad = model.score(clip(), ""), model.score(clip(0.4), "")
    assert good.progress[-1] > bad.progress[-1] + 0.2
    assert rank_correlation(good.progress, np.arange(STEPS + 1)) > 0.8
    assert good.per_step[-1] > bad.per_step[-1]
    assert make(demos).identity == model.identity
    for scores in (good, bad):
        assert ((scores.progress >= 0) & (scores.progress <= 1)).all()


def test_the_distance_to_a_picture_by_hand(tmp_path):
    cv2.imwrite(str(tmp_path / "goal.png"), picture(1.0)[..., ::-1])
    model = GoalPicture(INTERFACE, str(tmp_path / "goal.png"), "pixels:32")
    scores = model.score(clip(), "")
    # Two squares of 8x8 that do not overlap, and one that overlaps by four rows of eight.
    near = {CAMERA: np.stack([picture(0.0), picture(1.0 - 4 / 24)])}
    assert scores.progress[0] == 0.0
    assert scores.progress[-1] == pytest.approx(1.0, abs=1e-3)
    assert model.score(near, "").progress[1] == pytest.approx(1.0 - np.sqrt(0.5), abs=1e-5)
    with pytest.raises(ConfigError, match="neither a picture nor a folder"):
        GoalPicture(INTERFACE, str(tmp_path / "none.png"), "pixels")


def test_distances_of_points():
    a, b = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 4.0]])
    np.testing.assert_allclose(distances(a, b), [[4.0], [3.0]])


def test_what_comes_after_success_is_not_shown(tmp_path):
    """An episode of a dense reward goes on where it is done."""
    whole = climb()
    for step in range(7, STEPS):
        object.__setattr__(whole.steps[step], "reward", 1.0)
    folder = record(tmp_path, [whole])
    assert [len(frames) for frames in demonstrated(str(folder), CAMERA)] == [9]


def test_subgoals_are_where_the_distance_to_the_next_turns():
    """To the right, up, and back to the left: seen from the end, the way turned where it first went
    up (UVD, Algorithm 1)."""
    right = [(x, 0.0) for x in range(20)]
    up = [(19.0, y) for y in range(1, 20)]
    back = [(x, 19.0) for x in range(18, -20, -1)]
    places = decompose(np.array(right + up + back, np.float32), least_steps=5)
    assert places[-1] == len(right + up + back) - 1
    assert len(places) == 2
    assert abs(places[0] - 19) <= 1
    with pytest.raises(ConfigError, match="has no subgoals"):
        decompose(np.zeros((1, 2)), 5)


def test_a_subgoal_is_never_taken_back(demos):
    model = Subgoals(INTERFACE, demos, "pixels", least_steps=2)
    there_and_back = {CAMERA: np.concatenate((clip()[CAMERA], clip()[CAMERA][::-1]))}
    progress = model.score(there_and_back, "").progress
    assert progress[-1] >= (model.count - 1) / model.count * 0.99 or model.count == 1


def test_the_typical_episode_ends_like_most():
    ends = [np.array([[0.0], [x]]) for x in (1.0, 1.1, 9.0)]
    assert typical(ends)[-1] in (1.0, 1.1)


def test_steps_are_cut_where_the_picture_changes():
    """Three plateaus of 4, 6 and 5 pictures: exact, where a greedy split could be fooled."""
    rng = np.random.default_rng(0)
    flat = np.repeat([[0.0, 5.0], [3.0, 5.0], [3.0, 0.0]], (4, 6, 5), axis=0)
    assert split(flat + rng.normal(0, 0.01, flat.shape), 3) == [4, 10]
    with pytest.raises(ConfigError, match="too short for 3 steps"):
        split(flat[:5], 3)


def test_each_step_that_is_reached_pays_twice_the_one_before(tmp_path):
    plateaus = [0.0] * 5 + [0.5] * 5 + [1.0] * 5

    def episode(heights: list[float], left: int) -> StoredEpisode:
        obs = [{CAMERA: picture(h, left, noise=20, seed=i)} for i, h in enumerate(heights)]
        steps = [Step(np.zeros(2, np.float32), float(i), False, False) for i in range(len(obs) - 1)]
        return StoredEpisode("0", obs, steps)

    folder = record(tmp_path, [episode(plateaus, left) for left in (9, 10, 11)])
    model = PerceptualSteps(INTERFACE, str(folder), 3, "pixels")
    progress = model.score(clip_of(episode(plateaus, 10).obs), "").progress
    low, middle, high = (progress[i : i + 5].mean() for i in (0, 5, 10))
    assert low < 0.15
    assert middle == pytest.approx(1 / 3, abs=0.15)
    assert high > middle + 0.25


def test_features_are_chosen_by_how_far_their_means_lie_apart():
    """Equation 1: 5 |mu+ - mu-| - (sigma+ + sigma-)."""
    inside = np.array([[1.0, 0.0, 3.0], [1.0, 0.0, -3.0]])
    everything = np.array([[0.0, 0.0, 3.0], [0.0, 0.0, -3.0]])
    assert select(inside, everything).tolist() == [0, 1, 2]  # 5, 0, -6


def test_a_folder_that_shows_nothing_is_refused(tmp_path):
    record(tmp_path, [climb()])
    with pytest.raises(ConfigError, match="not seen through image/wrist"):
        demonstrated(str(tmp_path), "image/wrist")
    with pytest.raises(ConfigError, match="choose nearest or transport"):
        Demonstrated(INTERFACE, str(tmp_path), "farthest", "pixels")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="steps is 1; at least 2"):
        PerceptualSteps(INTERFACE, str(tmp_path), 1, "pixels")

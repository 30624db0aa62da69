"""Labels: scored once by content, beside the journal, torn files, and what they pay."""

import dataclasses

import numpy as np
import pytest

from robot_rl.cli import main
from robot_rl.envs.reward import RewardConfig
from robot_rl.errors import ConfigError, CorruptFileError, RunDirectoryError
from robot_rl.rewards.cache import CachedReward, ContentCache, content_key
from robot_rl.rewards.labels import LabelFile, LabelledBy
from robot_rl.rewards.model import Clip, RewardModel, Scores, clip_of, frames_of
from tests.rewards.seen import CAMERA, STEPS, climb, clip, record

BY = LabelledBy("heights/1", "up", RewardConfig(name="heights", scale=2.0))


class Heights(RewardModel):
    """How high the square is; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def identity(self) -> str:
        return "heights/1"

    def score(self, clip: Clip, task: str) -> Scores:
        self.asked += 1
        rows = (frames_of(clip, CAMERA) > 128).any((2, 3)).argmax(1)
        return Scores.of_progress(1.0 - rows / 24.0)


def test_a_clip_is_scored_once_for_each_sentence(tmp_path):
    model = Heights()
    for _ in range(2):  # the second time from disk
        cache = ContentCache(tmp_path / "labels.sqlite")
        cached = CachedReward(model, cache)
        first = cached.score(clip(), "up")
        again = cached.score(clip(), "up")
        cached.score(clip(), "down")
        cached.score(clip(0.5), "up")
        cache.close()
        assert model.asked == 3
        for a, b in zip(dataclasses.astuple(first), dataclasses.astuple(again), strict=True):
            np.testing.assert_array_equal(a, b)
    assert (cached.sees, cached.reads, cached.identity) == ("observation", False, "heights/1")


def test_keys_tell_parts_apart():
    frame = np.zeros((2, 2), np.uint8)
    keys = {content_key("ab", "c"), content_key("a", "bc"), content_key("ab", frame)}
    assert len(keys) == 3


def test_a_file_that_is_no_cache_is_told(tmp_path):
    (tmp_path / "labels.sqlite").write_bytes(b"not a database, but a long enough text" * 99)
    with pytest.raises(RunDirectoryError, match="cannot keep labels"):
        ContentCache(tmp_path / "labels.sqlite")


def labelled(folder, episodes) -> LabelFile:
    model, labels = Heights(), LabelFile(folder, "heights")
    labels.begin(BY)
    for episode in episodes:
        labels.add(episode, model.score(clip_of(episode.obs), "up"))
    labels.close()
    return labels


def test_labels_come_back_and_pay(tmp_path):
    labelled(tmp_path, [climb(), climb(0.5, name="1")])
    again = LabelFile(tmp_path, "heights")
    assert (len(again), again.by) == (2, BY)
    # Of what was seen, not of what it is called; twice the height.
    paid = again.paid(climb(name="elsewhere"))
    np.testing.assert_allclose(paid, 2.0 * np.linspace(0, 1, STEPS + 1)[1:], atol=1e-4)
    with pytest.raises(ConfigError, match=r"episode 2 has no label .* robot-rl rewards label"):
        again.paid(climb(0.75, name="2"))


def test_a_torn_line_is_left_out_and_damage_is_told(tmp_path):
    labels = labelled(tmp_path, [climb(), climb(0.5)])
    whole = labels.path.read_bytes()
    labels.path.write_bytes(whole[:-40])
    assert len(LabelFile(tmp_path, "heights")) == 1
    assert len(labelled(tmp_path, [climb(0.5)])) == 2  # goes on where it was torn
    labels.path.write_bytes(whole.replace(b"{", b"[", 2))
    with pytest.raises(CorruptFileError, match="Delete it and label again"):
        LabelFile(tmp_path, "heights")


def test_another_model_needs_another_name(tmp_path):
    labelled(tmp_path, [climb()])
    with pytest.raises(ConfigError, match=r"labelled by heights/1 for 'up'.* --name NAME"):
        LabelFile(tmp_path, "heights").begin(dataclasses.replace(BY, goal="down"))
    # How it pays may change, and the last word counts.
    labels = LabelFile(tmp_path, "heights")
    labels.begin(dataclasses.replace(BY, reward=RewardConfig(name="heights", threshold=0.9)))
    labels.close()
    assert LabelFile(tmp_path, "heights").paid(climb()).tolist() == [0.0] * 10 + [1.0] * 2


def test_the_command_labels_what_is_new(tmp_path, capsys):
    folder = record(tmp_path / "episodes", [climb(), climb(0.5)])
    command = ["rewards", "label", str(folder), "reward=random"]
    assert main(command) == 0
    assert "2 episodes labelled, 0 were already" in capsys.readouterr().out
    record(folder, [climb(0.25)])
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "1 episodes labelled, 2 were already" in said
    assert f"demos=[{folder}] demo_labels=random" in said
    assert main(["rewards", "label", str(folder)]) == 1
    assert "no reward was named" in capsys.readouterr().err

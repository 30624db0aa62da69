"""Folders of episodes: reading, adding, re-recording, checking, merging, exporting."""

import dataclasses
import json
import math

import cv2
import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from robot_rl.episodes import lerobot, robomimic
from robot_rl.episodes.check import check
from robot_rl.episodes.film import film
from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode, create, write_episode
from robot_rl.errors import CorruptFileError, InterfaceMismatchError, RunDirectoryError
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO
from tests.conftest import make_interface, random_obs

INTERFACE = make_interface(cameras=2, size=16, proprio=3, actions=2)


def make_episode(length: int = 6, seed: int = 0, success: bool = True) -> StoredEpisode:
    rng = np.random.default_rng(seed)
    obs = [random_obs(INTERFACE, rng) for _ in range(length + 1)]
    steps = [
        Step(
            rng.uniform(-1, 1, 2).astype(np.float32),
            float(success and t == length - 1),
            success and t == length - 1,
            not success and t == length - 1,
            "human" if t >= 2 else "policy",
            rng.uniform(-1, 1, 2).astype(np.float32),
            rng.uniform(-1, 1, 2).astype(np.float32) if t >= 2 else None,
            segment=100 if t < 2 else 102,
            stamp_s=0.1 * (t + 1),
        )
        for t in range(length)
    ]
    return StoredEpisode("0/0", obs, steps)


@pytest.fixture
def folder(tmp_path):
    journal = create(tmp_path / "e", INTERFACE)
    for seed in range(3):
        write_episode(journal, make_episode(seed=seed))
    journal.close()
    return EpisodesFolder(tmp_path / "e")


def test_everything_of_a_step_comes_back(folder):
    first = next(folder.episodes())
    wanted = make_episode()
    for step, want in zip(first.steps, wanted.steps, strict=True):
        np.testing.assert_array_equal(step.action, want.action)
        np.testing.assert_array_equal(step.policy_action, want.policy_action)
        assert (step.human_action is None) == (want.human_action is None)
        assert (step.source, step.terminated) == (want.source, want.terminated)
        assert step.stamp_s == pytest.approx(want.stamp_s)
    np.testing.assert_array_equal(first.obs[3][PROPRIO], wanted.obs[3][PROPRIO])


def test_segments_are_named_by_the_journal_they_are_in(folder):
    found = [[step.segment for step in episode.steps] for episode in folder.episodes()]
    assert found == [[0, 0, 2, 2, 2, 2], [6, 6, 8, 8, 8, 8], [12, 12, 14, 14, 14, 14]]


def test_a_discarded_episode_is_passed_over(folder):
    journal = create(folder.root, INTERFACE)
    journal.begin(random_obs(INTERFACE, np.random.default_rng(0)))
    episode = make_episode(seed=9)
    journal.add(episode.steps[0], episode.obs[1])
    journal.discard()
    write_episode(journal, make_episode(length=2, seed=5))
    journal.close()
    assert [len(e.steps) for e in folder.episodes()] == [6, 6, 6, 2]


def test_a_file_cut_short_loses_only_the_torn_step(folder, caplog):
    (path,) = folder.root.glob("*.rows")
    path.write_bytes(path.read_bytes()[:-5])
    lengths = [len(e.steps) for e in folder.episodes()]
    assert lengths == [6, 6, 5]
    assert "torn record" in caplog.text
    assert not list(folder.episodes())[-1].finished


def test_another_interface_is_refused_field_by_field(folder):
    other = dataclasses.replace(INTERFACE, control_rate_hz=20.0)
    with pytest.raises(InterfaceMismatchError, match=r"control_rate_hz is 10\.0 here and 20\.0"):
        create(folder.root, other)


def test_a_folder_without_episodes_is_named(tmp_path):
    with pytest.raises(RunDirectoryError, match=r"interface\.json is missing"):
        EpisodesFolder(tmp_path).interface()
    INTERFACE.save(tmp_path / "interface.json")
    with pytest.raises(CorruptFileError, match="holds no episodes"):
        list(EpisodesFolder(tmp_path).episodes())


# ------------------------------------------------------------------------- check


def findings(episode: StoredEpisode) -> str:
    return "; ".join(finding.what for finding in check(episode, INTERFACE))


def test_a_sound_episode_has_no_findings():
    assert findings(make_episode()) == ""


def test_a_frozen_camera_is_found_and_a_still_scene_is_not():
    episode = make_episode(length=8)
    for obs in episode.obs[3:7]:
        obs["image/cam1"] = episode.obs[2]["image/cam1"]
    assert findings(episode) == "camera cam1 is frozen for 4 frames up to observation 6"
    for obs in episode.obs[3:7]:
        obs[PROPRIO] = episode.obs[2][PROPRIO]
    assert findings(episode) == ""


def with_steps(episode: StoredEpisode, change) -> StoredEpisode:
    """`change(i, step)` gives the fields of step i that differ."""
    steps = [dataclasses.replace(s, **change(i, s)) for i, s in enumerate(episode.steps)]
    return dataclasses.replace(episode, steps=steps)


def test_dropped_frames_wrong_rates_and_nan_are_found():
    episode = make_episode(length=8)
    gap = with_steps(episode, lambda i, s: {"stamp_s": s.stamp_s + 0.3 * (i > 4)})
    assert findings(gap) == "frames dropped at 1 places, 0.40 s at most"
    slow = with_steps(episode, lambda i, s: {"stamp_s": 0.125 * i})
    assert findings(slow) == "recorded at 8.0 Hz, the interface says 10"
    bad = with_steps(episode, lambda i, s: {"reward": math.nan if i == 3 else 0.0})
    assert findings(bad) == "step 3: the action or the reward is not finite"
    episode.obs[2][PROPRIO] = np.full(3, np.nan, np.float32)
    assert "observation 2: proprio is not finite" in findings(episode)
    torn = dataclasses.replace(make_episode(), steps=episode.steps[:3])
    assert "unfinished" in findings(torn)


# ------------------------------------------------------------------- film, export


def test_the_film_shows_who_commanded():
    frames = film(make_episode())
    assert frames[0].shape == (288, 512, 3)
    assert tuple(frames[0][2, 200]) == (59, 130, 246)  # the policy's blue
    assert tuple(frames[3][2, 200]) == (245, 165, 36)  # the human's orange


def test_robomimic_layout(folder, tmp_path):
    assert robomimic.export(folder.episodes(), INTERFACE, tmp_path / "a.hdf5") == 3
    wanted = list(folder.episodes())[1]
    with h5py.File(tmp_path / "a.hdf5") as file:
        data = file["data"]
        assert data.attrs["total"] == 18
        assert json.loads(data.attrs["env_args"])["env_name"] == "test/tiny"
        demo = data["demo_1"]
        assert demo.attrs["num_samples"] == 6
        np.testing.assert_array_equal(demo["actions"][2], wanted.steps[2].action)
        np.testing.assert_array_equal(demo["obs/cam0_image"][3], wanted.obs[3]["image/cam0"])
        np.testing.assert_array_equal(demo["next_obs/tcp_pos"][3], wanted.obs[4][PROPRIO])
        assert demo["dones"][:].tolist() == [0, 0, 0, 0, 0, 1]


def test_lerobot_v3_layout(folder, tmp_path):
    assert lerobot.export(folder.episodes(), INTERFACE, tmp_path / "l") == 3
    info = json.loads((tmp_path / "l/meta/info.json").read_text())
    assert (info["codebase_version"], info["total_frames"], info["fps"]) == ("v3.0", 18, 10)
    assert info["features"]["observation.images.cam0"]["shape"] == [16, 16, 3]
    rows = pq.read_table(tmp_path / "l/data/chunk-000/file-000.parquet").to_pylist()
    wanted = list(folder.episodes())[1]
    row = rows[6 + 3]
    assert (row["episode_index"], row["frame_index"], row["index"]) == (1, 3, 9)
    assert (row["is_intervention"], row["next.done"]) == (True, False)
    assert rows[11]["next.done"]
    np.testing.assert_allclose(row["action"], wanted.steps[3].action)
    picture = cv2.imdecode(
        np.frombuffer(row["observation.images.cam0"]["bytes"], np.uint8), cv2.IMREAD_COLOR_RGB
    )
    np.testing.assert_array_equal(picture, wanted.obs[3]["image/cam0"])
    episodes = pq.read_table(tmp_path / "l/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(e["dataset_from_index"], e["dataset_to_index"]) for e in episodes] == [
        (0, 6),
        (6, 12),
        (12, 18),
    ]
    stats = json.loads((tmp_path / "l/meta/stats.json").read_text())
    actions = np.stack([step.action for e in folder.episodes() for step in e.steps])
    np.testing.assert_allclose(stats["action"]["mean"], actions.mean(0), atol=1e-6)
    np.testing.assert_allclose(stats["action"]["std"], actions.std(0), atol=1e-6)

"""Datasets of lerobot and robomimic become episodes again: our own exports, and foreign ones."""

import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest

from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.analysis.video import write_mp4
from robot_rl.build.config import TrainConfig
from robot_rl.cli import main
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.episodes import lerobot, robomimic
from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO
from tests.agents.tiny import make_agent
from tests.conftest import make_interface, random_obs

INTERFACE = make_interface(cameras=2, size=36)


def episodes() -> list[StoredEpisode]:
    rng, made = np.random.default_rng(0), []
    for number, (length, success) in enumerate(((4, True), (3, False))):
        obs = [random_obs(INTERFACE, rng) for _ in range(length + 1)]
        steps = [
            Step(
                rng.uniform(-1, 1, 2).astype(np.float32),
                float(success and t == length - 1),
                success and t == length - 1,
                not success and t == length - 1,
                "human" if t == 1 else "expert",
            )
            for t in range(length)
        ]
        made.append(StoredEpisode(f"0/{number}", obs, steps))
    return made


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy")
    agent = make_agent(DrQV2Config, INTERFACE)
    PolicyFolder(folder).write(agent.policy(), TrainConfig(), {})
    return folder


def imported(tmp_path: Path, *arguments: str) -> list[StoredEpisode]:
    assert main(["episodes", "import", *arguments, "--out", str(tmp_path / "in")]) == 0
    return list(EpisodesFolder(tmp_path / "in").episodes())


def assert_same(found: list[StoredEpisode], last_obs: bool) -> None:
    for ours, theirs in zip(episodes(), found, strict=True):
        for a, b in zip(ours.steps, theirs.steps, strict=True):
            np.testing.assert_allclose(a.action, b.action)
            assert (a.reward, a.terminated, a.truncated, a.source) == (
                b.reward,
                b.terminated,
                b.truncated,
                b.source,
            )
        until = len(ours.obs) - (not last_obs)
        for a, b in zip(ours.obs[:until], theirs.obs[:until], strict=True):
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])


def test_what_was_exported_for_robomimic_comes_back(tmp_path):
    robomimic.export(episodes(), INTERFACE, tmp_path / "demos.hdf5")
    found = imported(tmp_path, str(tmp_path / "demos.hdf5"))
    assert EpisodesFolder(tmp_path / "in").interface() == INTERFACE
    assert_same(found, last_obs=True)


def test_what_was_exported_for_lerobot_comes_back(tmp_path):
    """But for the observation after an episode's last step, which that format does not have."""
    lerobot.export(episodes(), INTERFACE, tmp_path / "set")
    found = imported(tmp_path, str(tmp_path / "set"))
    assert_same(found, last_obs=False)
    for episode in found:
        np.testing.assert_array_equal(episode.obs[-1][PROPRIO], episode.obs[-2][PROPRIO])


def test_a_foreign_file_takes_the_interface_of_a_policy(tmp_path, policy):
    """Other names, other sizes, no rewards, no observation after the last."""
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        for number in (10, 9):  # in the order of their numbers
            demo = file.create_group(f"data/demo_{number}")
            demo["actions"] = np.full((3, 2), number / 5.0, np.float32)
            demo["obs/agentview_image"] = np.full((3, 72, 72, 3), 100, np.uint8)
            demo["obs/cam1_image"] = np.full((3, 36, 36, 3), 7, np.uint8)
            demo["obs/tcp_pos"] = np.ones((3, 3))
    source = [str(tmp_path / "foreign.h5"), "--policy", str(policy), "--success"]
    found = imported(tmp_path, *source, "--camera", "cam0=agentview_image")
    assert [episode.steps[0].action[0] for episode in found] == [1.0, 1.0]  # within the box
    assert found[0].obs[0]["image/cam0"].shape == (36, 36, 3)
    assert (found[0].obs[0]["image/cam0"] == 100).all()
    last = found[0].steps[-1]
    assert (last.reward, last.terminated, last.source) == (1.0, True, "expert")
    assert [step.reward for step in found[0].steps[:-1]] == [0.0, 0.0]


def foreign_films(root: Path, fps: int = 10) -> Path:
    """Two episodes of three steps in one film for each camera, as lerobot records them."""
    for folder in ("meta/episodes/chunk-000", "data/chunk-000"):
        (root / folder).mkdir(parents=True)
    keys = [f"observation.images.cam{i}" for i in (0, 1)]
    films = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    for key in keys:
        path = root / films.format(video_key=key, chunk_index=0, file_index=0)
        path.parent.mkdir(parents=True)
        write_mp4(path, [np.full((36, 36, 3), 40 * i, np.uint8) for i in range(6)], fps)
    info = {
        "codebase_version": "v3.0",
        "fps": fps,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": films,
        "features": {name: {} for name in (*keys, "observation.state", "action")},
    }
    (root / "meta" / "info.json").write_text(json.dumps(info))
    rows = [
        {
            "episode_index": i,
            "length": 3,
            "data/chunk_index": 0,
            "data/file_index": 0,
            **{f"videos/{key}/{part}_index": 0 for key in keys for part in ("chunk", "file")},
            **{f"videos/{key}/from_timestamp": 3 * i / fps for key in keys},
        }
        for i in (0, 1)
    ]
    table = pyarrow.Table.from_pylist(rows)
    parquet.write_table(table, root / "meta/episodes/chunk-000/file-000.parquet")
    steps = {
        "episode_index": [0, 0, 0, 1, 1, 1],
        "action": [[0.1 * i, 0.0] for i in range(6)],
        "observation.state": [[0.0, 1.0, 2.0]] * 6,
    }
    parquet.write_table(pyarrow.table(steps), root / "data/chunk-000/file-000.parquet")
    return root


def test_pictures_come_out_of_films(tmp_path, policy):
    root = foreign_films(tmp_path / "films")
    found = imported(tmp_path, str(root), "--policy", str(policy), "--success")
    assert [len(episode.steps) for episode in found] == [3, 3]
    shades = [obs["image/cam1"].mean() for episode in found for obs in episode.obs[:-1]]
    np.testing.assert_allclose(shades, 40 * np.arange(6), atol=6)  # a film loses a little
    assert [round(float(e.steps[0].action[0]), 2) for e in found] == [0.0, 0.3]
    assert [e.steps[-1].reward for e in found] == [1.0, 1.0]


def test_what_does_not_fit_is_one_line(tmp_path, policy, capsys):
    lerobot.export(episodes(), INTERFACE, tmp_path / "set")
    (tmp_path / "set" / "meta" / "interface.json").unlink()
    slow = foreign_films(tmp_path / "slow", fps=30)
    (tmp_path / "old" / "meta").mkdir(parents=True)
    (tmp_path / "old" / "meta" / "info.json").write_text('{"codebase_version": "v2.1"}')
    (tmp_path / "torn.hdf5").write_bytes(b"torn")
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["data/demo_0/actions"] = np.zeros((2, 2))
        file["data/demo_0/obs/other_image"] = np.zeros((2, 4, 4, 3), np.uint8)
    there = ["--policy", str(policy)]
    for arguments, words in (
        ([str(tmp_path / "set")], "does not say what its numbers mean"),
        ([str(slow), *there], "30 frames a second"),
        ([str(tmp_path / "old")], "v2.1, this reads v3"),
        ([str(tmp_path / "torn.hdf5")], "no HDF5 file in robomimic's layout"),
        ([str(tmp_path / "bare.h5"), *there], "has no 'cam0_image'"),
        ([str(tmp_path / "set"), *there, "--camera", "cam0=up"], "'observation.images.up'"),
        ([str(tmp_path / "set"), *there, "--camera", "cam0"], "give NAME=COLUMN"),
        ([str(tmp_path / "set"), "a.bag", *there], "one kind at a time"),
        (["a.bag"], "--policy FOLDER"),
    ):
        command = ["episodes", "import", *arguments, "--out", str(tmp_path / "none")]
        assert main(command) == 1, arguments
        said = capsys.readouterr().err.strip()
        assert words in said
        assert len(said.splitlines()) == 1
        assert not (tmp_path / "none").exists()


def test_other_numbers_of_actions_are_refused(tmp_path, capsys):
    other = dataclasses.replace(INTERFACE, actions=INTERFACE.actions[:1])
    agent = make_agent(DrQV2Config, other)
    PolicyFolder(tmp_path / "policy").write(agent.policy(), TrainConfig(), {})
    robomimic.export(episodes(), INTERFACE, tmp_path / "demos.hdf5")
    command = ["episodes", "import", str(tmp_path / "demos.hdf5")]
    command += ["--policy", str(tmp_path / "policy"), "--out", str(tmp_path / "in")]
    assert main(command) == 1
    assert "2 actions and 3 numbers of proprio" in capsys.readouterr().err

"""Episodes of a robot with seven axes of every kind, through a folder and out of it again."""

import json

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from robot_rl.cli import main
from robot_rl.episodes import lerobot, robomimic
from robot_rl.episodes.film import film
from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode, create, write_episode
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, ActionField, CameraField, Interface, ProprioField
from tests.conftest import random_obs

JOINTS = ("base", "shoulder", "elbow", "wrist")
INTERFACE = Interface(
    task="test/seven",
    control_rate_hz=20.0,
    cameras=(CameraField(name="wrist", height=12, width=20, rate_hz=20.0),),
    proprio=(
        ProprioField(name="joint_pos", unit="rad", size=4),
        ProprioField(name="tcp_yaw", unit="1", size=2),
        ProprioField(name="gripper_opening", unit="m", size=1),
    ),
    actions=(
        *(
            ActionField(
                name=f"joint/{name}", unit="rad", kind="position", scale=-1.5, offset=0.3, hold=None
            )
            for name in JOINTS
        ),
        ActionField(name="tcp_rz", unit="rad", kind="displacement", scale=0.15, hold=0.0),
        ActionField(name="gripper", unit="m", kind="velocity", scale=-0.1, hold=0.0),
        ActionField(name="thrust", unit="N", kind="position", scale=10.0, offset=10.0, hold=0.2),
    ),
)
NAMES = ["joint/base", "joint/shoulder", "joint/elbow", "joint/wrist", "tcp_rz", "gripper"]


def make_episode(seed: int, length: int = 5) -> StoredEpisode:
    rng = np.random.default_rng(seed)

    def action() -> np.ndarray:
        return rng.uniform(-1, 1, INTERFACE.action_size).astype(np.float32)

    steps = [
        Step(
            action=action(),
            reward=float(t == length - 1),
            terminated=t == length - 1,
            truncated=False,
            source="human" if t == 2 else "policy",
            policy_action=action(),
            human_action=action() if t == 2 else None,
            stamp_s=0.05 * (t + 1),
        )
        for t in range(length)
    ]
    return StoredEpisode("0/0", [random_obs(INTERFACE, rng) for _ in range(length + 1)], steps)


@pytest.fixture
def folder(tmp_path) -> EpisodesFolder:
    journal = create(tmp_path / "e", INTERFACE)
    for seed in range(2):
        write_episode(journal, make_episode(seed))
    journal.close()
    return EpisodesFolder(tmp_path / "e")


def actions(*episodes: StoredEpisode) -> np.ndarray:
    return np.stack([step.action for episode in episodes for step in episode.steps])


def test_a_folder_gives_back_every_axis(folder):
    assert folder.interface() == INTERFACE
    found, wanted = list(folder.episodes()), [make_episode(0), make_episode(1)]
    np.testing.assert_array_equal(actions(*found), actions(*wanted))
    np.testing.assert_array_equal(found[1].steps[2].human_action, wanted[1].steps[2].human_action)
    np.testing.assert_array_equal(found[1].obs[5][PROPRIO], wanted[1].obs[5][PROPRIO])


def test_it_is_checked_shown_and_merged(folder, tmp_path, capsys):
    assert main(["episodes", "check", str(folder.root)]) == 0
    assert "2 episodes checked, 0 findings" in capsys.readouterr().out
    assert film(make_episode(0))[0].shape == (288, 256, 3)
    merged = str(tmp_path / "merged")
    assert main(["episodes", "merge", str(folder.root), str(folder.root), "--out", merged]) == 0
    assert [len(e.steps) for e in EpisodesFolder(tmp_path / "merged").episodes()] == [5] * 4


def test_lerobot_names_every_axis_and_gives_back_the_interface(folder, tmp_path):
    out = tmp_path / "l"
    assert lerobot.export(folder.episodes(), INTERFACE, out) == 2
    features = json.loads((out / "meta/info.json").read_text())["features"]
    assert (features["action"]["shape"], features["action"]["names"]) == ([7], [*NAMES, "thrust"])
    assert features["observation.state"]["names"] == [
        *(f"joint_pos_{i}" for i in range(4)),
        "tcp_yaw_0",
        "tcp_yaw_1",
        "gripper_opening",
    ]
    assert Interface.load(out / "meta/interface.json") == INTERFACE
    rows = pq.read_table(out / "data/chunk-000/file-000.parquet").to_pylist()
    wanted = [make_episode(0), make_episode(1)]
    np.testing.assert_array_equal([row["action"] for row in rows], actions(*wanted))
    np.testing.assert_array_equal(rows[7]["observation.state"], wanted[1].obs[2][PROPRIO])
    stats = json.loads((out / "meta/stats.json").read_text())
    np.testing.assert_array_equal(stats["action"]["min"], actions(*wanted).min(0))
    np.testing.assert_array_equal(stats["action"]["max"], actions(*wanted).max(0))


def test_robomimic_has_every_axis_and_gives_back_the_interface(folder, tmp_path):
    assert robomimic.export(folder.episodes(), INTERFACE, tmp_path / "a.hdf5") == 2
    wanted = make_episode(1)
    with h5py.File(tmp_path / "a.hdf5") as file:
        demo = file["data/demo_1"]
        np.testing.assert_array_equal(demo["actions"], actions(wanted))
        proprio = [wanted.obs[t][PROPRIO] for t in range(5)]
        np.testing.assert_array_equal(demo["obs/joint_pos"], [x[:4] for x in proprio])
        np.testing.assert_array_equal(demo["obs/tcp_yaw"], [x[4:6] for x in proprio])
        told = json.loads(file["data"].attrs["interface"])
        assert Interface.from_dict(told) == INTERFACE

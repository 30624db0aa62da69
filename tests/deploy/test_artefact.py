"""The policy folder and its ONNX twin."""

import json

import numpy as np
import pytest
import torch

from robot_rl.build.config import TrainConfig
from robot_rl.config.schema import from_tree
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.onnx import export_onnx, random_observations
from robot_rl.envs.registry import TaskConfig
from robot_rl.networks.policy import NetworkConfig, make_policy
from tests.conftest import make_interface, random_obs

INTERFACE = make_interface(cameras=2)


@pytest.mark.parametrize("actor", ["mlp", "moe"])
def test_a_policy_comes_back_with_the_same_actions(tmp_path, actor):
    torch.manual_seed(0)
    network = NetworkConfig(hidden_dim=16, actor=actor, frame_stack=2)
    policy = make_policy(network, INTERFACE).eval()
    folder = PolicyFolder(tmp_path / "policy")
    folder.write(policy, network, INTERFACE, TrainConfig(), {"success_rate": 0.9})
    assert folder.interface() == INTERFACE
    assert folder.network() == network
    obs = random_observations(INTERFACE, 2, 4, seed=0)
    with torch.no_grad():
        torch.testing.assert_close(folder.load()(obs), policy(obs))
    card = (tmp_path / "policy" / "card.md").read_text()
    assert "| success_rate | 0.9 |" in card
    assert "cam0 36x36, cam1 36x36; 2 frames stacked" in card


def test_the_options_of_the_task_leave_with_the_policy(tmp_path):
    task = TaskConfig(name="arm/peg_insert", options={"random_yaw": True})
    network, folder = NetworkConfig(hidden_dim=16), PolicyFolder(tmp_path / "policy")
    folder.write(make_policy(network, INTERFACE), network, INTERFACE, TrainConfig(task=task), {})
    saved = folder.config()["training"]["task"]
    assert from_tree(TaskConfig, saved, "task") == task
    card = (folder.root / "card.md").read_text()
    assert "| options of the task | random_yaw=True |" in card


def test_writing_again_replaces_the_folder_whole(tmp_path):
    folder = PolicyFolder(tmp_path / "policy")
    network = NetworkConfig(hidden_dim=16)
    for _ in range(2):
        folder.write(make_policy(network, INTERFACE), network, INTERFACE, TrainConfig(), {})
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


@pytest.mark.parametrize(
    "kind",
    [{"actor": "mlp"}, {"actor": "moe"}, {"gaussian": True, "gripper": "discrete"}],
    ids=["mlp", "moe", "gripper"],
)
def test_onnx_agrees_with_torch(tmp_path, kind):
    torch.manual_seed(0)
    network = NetworkConfig(hidden_dim=16, frame_stack=2, **kind)
    policy = make_policy(network, INTERFACE)
    assert export_onnx(policy, INTERFACE, tmp_path) < 1e-4
    assert (tmp_path / "policy.onnx").stat().st_size > 1000


def test_acting_repeats_the_first_frame_and_needs_no_batch_axis():
    policy = make_policy(NetworkConfig(hidden_dim=16, frame_stack=3), INTERFACE)
    obs = random_obs(INTERFACE, np.random.default_rng(0))
    action, frames = policy.act([obs], [None])
    key = INTERFACE.cameras[0].key
    assert action.shape == (1, 2)
    for frame in frames[0][key]:
        np.testing.assert_array_equal(frame, obs[key].transpose(2, 0, 1))
    assert policy.training  # acting leaves the mode as it was


def test_no_pickle_in_the_folder(tmp_path):
    network = NetworkConfig(hidden_dim=16)
    folder = PolicyFolder(tmp_path / "policy")
    folder.write(make_policy(network, INTERFACE), network, INTERFACE, TrainConfig(), {})
    json.loads((tmp_path / "policy" / "interface.json").read_text())
    assert not any(b"\x80\x04" in path.read_bytes()[:64] for path in folder.root.iterdir())

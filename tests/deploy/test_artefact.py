"""The policy folder and its ONNX twin."""

import json
from functools import partial
from typing import Any

import pytest
import torch
import yaml

from robot_rl.build.config import TrainConfig
from robot_rl.config.schema import from_tree
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.onnx import export_onnx
from robot_rl.envs.registry import TaskConfig
from robot_rl.errors import ConfigError, CorruptFileError, UnknownNameError
from robot_rl.networks.dreaming import DreamingConfig, DreamingPolicy
from robot_rl.networks.masked import MaskedConfig
from robot_rl.networks.masked_dreaming import MaskedDreamingConfig, MaskedDreamingPolicy
from robot_rl.networks.recurrent import RecurrentConfig, RecurrentPolicy
from robot_rl.networks.rssm import RSSMConfig
from robot_rl.networks.stacked import NetworkConfig, StackedConfig, StackedPolicy
from tests.conftest import make_interface
from tests.killed import killed_at
from tests.networks.planners import small_actors, small_planner

INTERFACE = make_interface(cameras=2)
KINDS = ["mlp", "moe", "gripper", "gru", "plan", "actors", "dream", "tokens"]
MEMORY = {
    "gru": {"memory"},
    "plan": {"frames/cam0", "frames/cam1", "plan"},
    "actors": {"frames/cam0", "frames/cam1", "plan"},
    "dream": {"deter", "stoch"},
    "tokens": {"deter", "stoch"},
}


def make(kind: str = "mlp") -> Any:
    torch.manual_seed(0)
    network = NetworkConfig(hidden_dim=16, frame_stack=2, actor="moe" if kind == "moe" else "mlp")
    if kind == "gru":
        return RecurrentPolicy(RecurrentConfig(network=network, memory_dim=8), INTERFACE).eval()
    if kind == "plan":
        return small_planner(INTERFACE)
    if kind == "actors":
        return small_actors(INTERFACE)
    if kind in ("dream", "tokens"):
        rssm = RSSMConfig(deter=12, hidden=16, latent="categorical", stoch=3, classes=4)
        settings = {"network": network, "rssm": rssm, "embed_dim": 8}
        if kind == "dream":
            return DreamingPolicy(DreamingConfig(**settings), INTERFACE).eval()
        masked = MaskedConfig(patch=4, dim=16, depth=1, decoder_depth=1, heads=2, reader_dim=8)
        return MaskedDreamingPolicy(
            MaskedDreamingConfig(**settings, masked=masked), INTERFACE
        ).eval()
    discrete = kind == "gripper"
    config = StackedConfig(
        network=network,
        head="gaussian" if discrete else "deterministic",
        gripper="discrete" if discrete else "continuous",
    )
    return StackedPolicy(config, INTERFACE).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_comes_back_with_the_same_actions_and_memory(tmp_path, kind):
    policy, folder = make(kind), PolicyFolder(tmp_path / "policy")
    folder.write(policy, TrainConfig(), {"success_rate": 0.9})
    again = folder.load()
    assert folder.interface() == INTERFACE
    assert (again.kind, again.config) == (policy.kind, policy.config)
    with torch.no_grad():
        inputs = policy.example(4)
        torch.testing.assert_close(again.step(*inputs), policy.step(*inputs))
    card = (tmp_path / "policy" / "card.md").read_text()
    assert "| success_rate | 0.9 |" in card
    assert "cam0 36x36, cam1 36x36" in card
    memory = {"gru": "memory 8", "dream": "deter 12, stoch 12", "tokens": "deter 12, stoch 12"}.get(
        kind, "frames/cam0 1x3x36x36"
    )
    assert memory in card


def test_the_same_weights_act_under_other_settings():
    policy = make("plan")
    alone, fewer = (policy.with_settings(x) for x in ({"plan": False}, {"planner.iterations": 1}))
    inputs = policy.example(3)
    with torch.no_grad():
        z, carry = policy.see(*inputs)
        prior = policy.model.prior(z).action()
        torch.testing.assert_close(alone.step(*inputs)[0], prior)
        once = fewer.plan(z, carry["plan"], fewer.noise, fewer.prior_noise)
        torch.testing.assert_close(fewer.step(*inputs)[0], once.mean[:, 0])
    assert len(fewer.noise) == 1
    assert policy.config.plan


def test_settings_that_need_other_weights_or_do_not_exist_are_refused():
    with pytest.raises(ConfigError, match="latent_dim: this changes the policy's weights"):
        make("plan").with_settings({"latent_dim": 32})
    with pytest.raises(UnknownNameError, match=r"policy\.planner\.iteration"):
        make("plan").with_settings({"planner.iteration": 1})


def test_a_folder_of_another_format_or_kind_says_so(tmp_path):
    folder = PolicyFolder(tmp_path / "policy")
    folder.write(make(), TrainConfig(), {})
    path = folder.root / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**tree, "format": 1}))
    with pytest.raises(CorruptFileError, match="format 1, this version reads 2"):
        folder.load()
    path.write_text(yaml.safe_dump({**tree, "policy": {**tree["policy"], "kind": "stackd"}}))
    with pytest.raises(UnknownNameError, match=r"kind of policy 'stackd'\. Choose one of: stacked"):
        folder.load()


def test_the_options_of_the_task_leave_with_the_policy(tmp_path):
    task = TaskConfig(name="arm/peg_insert", options={"random_yaw": True})
    folder = PolicyFolder(tmp_path / "policy")
    folder.write(make(), TrainConfig(task=task), {})
    saved = folder.config()["training"]["task"]
    assert from_tree(TaskConfig, saved, "task") == task
    card = (folder.root / "card.md").read_text()
    assert "| options of the task | random_yaw=True |" in card


def test_writing_again_replaces_the_folder_whole(tmp_path):
    folder = PolicyFolder(tmp_path / "policy")
    for _ in range(2):
        folder.write(make(), TrainConfig(), {})
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_a_kill_at_any_moment_leaves_a_whole_policy(tmp_path):
    folder, policy = PolicyFolder(tmp_path / "policy"), make("gru")
    folder.write(policy, TrainConfig(), {})
    touch, killed = 0, True
    while killed:
        before = written(folder)
        torch.nn.init.constant_(next(policy.parameters()), touch + 1.0)
        write = partial(folder.write, policy, TrainConfig(seed=touch + 1), {})
        killed = killed_at(touch, write)
        assert written(folder) in (before, (touch + 1, touch + 1.0))
        touch += 1
    assert touch > 15
    assert written(folder) == (touch, float(touch))
    folder.write(policy, TrainConfig(), {})
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def written(folder: PolicyFolder) -> tuple[int, float]:
    """What two of its files say, which belong together."""
    weight = next(folder.load().parameters())
    return folder.config()["training"]["seed"], float(weight.detach().flatten()[0])


def test_a_write_that_fails_leaves_the_policy_before(tmp_path):
    folder = PolicyFolder(tmp_path / "policy")
    folder.write(make(), TrainConfig(seed=3), {})
    no_number: Any = {"success_rate": "much"}
    with pytest.raises(ValueError, match="format"):
        folder.write(make(), TrainConfig(), no_number)
    assert folder.config()["training"]["seed"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_agrees_with_torch_over_episodes_with_its_own_memory(tmp_path, kind):
    import onnx

    assert export_onnx(make(kind), tmp_path) < 1e-4
    graph = onnx.load(str(tmp_path / "policy.onnx")).graph
    kept = MEMORY.get(kind, {"frames/cam0", "frames/cam1"})
    carry = {f"carry/{name}" for name in kept}
    assert {node.name for node in graph.output} == {"action", *(name + "/next" for name in carry)}
    assert carry <= {node.name for node in graph.input}


def test_a_policy_without_cameras_is_exported_for_any_batch(tmp_path):
    blind = make_interface(cameras=0)
    config = StackedConfig(network=NetworkConfig(hidden_dim=16), head="gaussian")
    assert export_onnx(StackedPolicy(config, blind), tmp_path) < 1e-4  # of another batch


def test_no_pickle_in_the_folder(tmp_path):
    folder = PolicyFolder(tmp_path / "policy")
    folder.write(make(), TrainConfig(), {})
    json.loads((tmp_path / "policy" / "interface.json").read_text())
    assert not any(b"\x80\x04" in path.read_bytes()[:64] for path in folder.root.iterdir())

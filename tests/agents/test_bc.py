"""Behaviour cloning and its interactive kin."""

import numpy as np
import pytest
import torch

from robot_rl.agents.bc import BCConfig
from robot_rl.build.compose import compose, compose_tree
from robot_rl.build.config import train_config
from robot_rl.errors import ConfigError
from robot_rl.networks.policy import PolicyMemory
from robot_rl.networks.progress_weight import ProgressWeight
from robot_rl.replay import Replay
from robot_rl.replay.storage import Step
from robot_rl.types import CameraField, Observation
from tests.agents.tiny import make_agent
from tests.conftest import make_interface, random_batch

INTERFACE = make_interface(cameras=2)


def test_it_learns_the_label_and_not_the_action():
    agent = make_agent(BCConfig, INTERFACE, lr=3e-3, shift_pad=0, policy_ema_decay=0.0)
    batch = random_batch(INTERFACE, size=8)
    batch.label = -0.5 * np.sign(batch.action)
    for _ in range(150):
        error = float(agent.update(batch)["bc_loss"])
    assert error < 0.02
    tensors = batch.map(torch.from_numpy)
    with torch.no_grad():
        policy = agent.policy()
        mu = policy.actor(policy.encoder(tensors.obs)).mu
    assert float((mu - tensors.label).abs().mean()) < 0.15
    assert float((mu - tensors.action).abs().mean()) > 0.5


def test_with_a_memory_it_remembers_what_it_saw_first():
    """The first frame is black or white and says what to do; later ones are grey."""
    interface = make_interface(cameras=1, actions=1, proprio=0)
    agent = make_agent(
        BCConfig,
        interface,
        lr=5e-3,
        batch_size=16,
        policy_ema_decay=0.0,
        memory="gru",
        memory_dim=16,
        segment_length=3,
    )
    (camera,) = interface.cameras
    replay = Replay(200, agent.config.draws, interface, 1, 0)
    for i in range(20):
        replay.begin(0, _frame(camera, 255 * (i % 2)))
        for t in range(3):
            action = np.array([0.5 if i % 2 else -0.5], np.float32)
            step = Step(action, 0.0, False, t == 2, "expert")
            replay.add(0, step, _frame(camera, 128))
    for _ in range(150):
        agent.update(replay.sample(agent.config.batch_size))
    for shade, wanted in ((0, -0.5), (255, 0.5)):
        memory = PolicyMemory(agent.policy(), 1)
        done = [memory.act([_frame(camera, s)])[0, 0] for s in (shade, 128, 128)]
        np.testing.assert_allclose(done, wanted, atol=0.3)


def _frame(camera: CameraField, shade: int) -> Observation:
    return {camera.key: np.full((camera.height, camera.width, 3), shade, np.uint8)}


def test_the_kin_differ_in_what_they_draw():
    drawn = {}
    for name in ("bc", "hg_dagger", "iwr", "dagger"):
        agent = compose([f"agent={name}"]).agent
        drawn[name] = (agent.taught_fraction, *agent.draws.kinds, agent.target)
        assert agent.seed_steps == 0
    assert drawn == {
        "bc": (1.0, "taught", "online", "label"),
        "hg_dagger": (1.0, "taught", "online", "label"),
        "iwr": (0.5, "interventions", "imitable", "applied"),
        "dagger": (0.0, "taught", "labelled", "label"),
    }


@pytest.mark.parametrize(("name", "wanted"), [("iwr", 0.5), ("dagger", -0.5)])
def test_what_is_cloned_where_a_human_would_have_done_something_else(name, wanted):
    """The policy did .5 by itself all along, and the human says that -.5 was right."""
    interface = make_interface(actions=1, proprio=0)
    config = compose([f"agent={name}"]).agent
    settings = {key: getattr(config, key) for key in ("taught_fraction", "mix", "target")}
    agent = make_agent(BCConfig, interface, lr=5e-3, frame_stack=1, **settings)
    replay = Replay(100, agent.config.draws, interface, 1, 0)
    grey, (done, right) = _frame(interface.cameras[0], 128), np.float32([[0.5], [-0.5]])
    replay.begin(0, grey)
    for t in range(30):
        replay.add(0, Step(done, 0.0, False, t == 29, human_action=right), grey)
    for _ in range(60):
        agent.update(replay.sample(8))
    with torch.no_grad():
        mu = agent.pi(agent.encoder(replay.sample(8).map(torch.as_tensor).obs)).mu
    assert float(mu.mean()) == pytest.approx(wanted, abs=0.1)


def test_every_key_of_the_configuration_files_belongs_to_some_agent():
    import dataclasses

    from omegaconf import OmegaConf

    from robot_rl.agents.base import AGENTS
    from robot_rl.config.files import config_dir

    configs = [AGENTS.load(name).config for name in AGENTS.names()]
    known = {field.name for config in configs for field in dataclasses.fields(config)}
    for group in ("task", "size", "experiment"):
        for path in (config_dir() / group).rglob("*.yaml"):
            agent = OmegaConf.to_container(OmegaConf.load(path)).get("agent", {})
            assert set(agent) <= known, path
    assert train_config(compose_tree(["agent=rlpd"])).agent.name == "rlpd"


def test_a_step_counts_by_the_progress_that_it_brought():
    """By hand: mean 0.02 and deviation 0.02 of five progresses."""
    weight = ProgressWeight(kappa=0.045)
    progress = torch.tensor([0.0, 0.04, 0.0, 0.04, 0.02])
    for part in (progress[:2], progress[2:]):  # in parts as in one
        weight.follow(part)
    std = float(progress.std(correction=0))
    asked = torch.tensor([-0.01, 0.0, 0.02, 0.04, 0.05])
    wanted = [0.0, (0.0 - 0.02 + 2 * std) / (4 * std), 0.5, (0.02 + 2 * std) / (4 * std), 1.0]
    np.testing.assert_allclose(weight(asked), wanted, atol=1e-4)


def test_reward_aligned_cloning_learns_what_got_on():
    """Half of the steps brought progress; the other half does the opposite and steps back."""
    agent = make_agent(
        BCConfig, INTERFACE, lr=3e-3, shift_pad=0, policy_ema_decay=0.0, weighting="progress"
    )
    batch = random_batch(INTERFACE, size=8)
    batch.obs = {key: np.repeat(x[:4], 2, axis=0) for key, x in batch.obs.items()}
    batch.label = np.tile(np.array([[0.5], [-0.5]], np.float32), (4, INTERFACE.action_size))
    batch.reward = np.tile(np.array([0.2, -0.2], np.float32), 4)
    for _ in range(120):
        agent.update(batch)
    tensors = batch.map(torch.from_numpy)
    with torch.no_grad():
        policy = agent.policy()
        mu = policy.actor(policy.encoder(tensors.obs)).mu
    np.testing.assert_allclose(mu, np.full_like(mu, 0.5), atol=0.15)
    state = agent.state_dict()["modules"]["weight"]
    assert float(state["count"]) == 8 * 120


def test_windows_are_not_weighed():
    with pytest.raises(ConfigError, match="choose one of them"):
        BCConfig(weighting="progress", memory="gru")

"""Behaviour cloning and its interactive kin."""

import numpy as np
import torch

from robot_rl.agents.bc import BCConfig
from robot_rl.build.compose import compose, compose_tree
from robot_rl.build.config import train_config
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


def test_the_kin_differ_in_what_they_draw():
    drawn = {
        name: compose([f"agent={name}"]).agent.taught_fraction
        for name in ("bc", "hg_dagger", "iwr", "dagger")
    }
    assert drawn == {"bc": 1.0, "hg_dagger": 1.0, "iwr": 0.5, "dagger": 0.0}


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

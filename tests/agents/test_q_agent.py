"""What plugs into both families of critics: distributions, dynamics, strong augmentation, paces."""

import dataclasses

import numpy as np
import pytest
import torch

from robot_rl.agents.drm import DrMConfig
from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.agents.dynamics import DynamicsConfig, DynamicsLoss
from robot_rl.agents.hil_serl import HilSerlConfig
from robot_rl.agents.mentor import MentorConfig
from robot_rl.agents.q_agent import StrongConfig
from robot_rl.agents.rlpd import RLPDConfig
from robot_rl.agents.sac import SACConfig
from robot_rl.agents.taco import TacoConfig
from robot_rl.agents.windows import last_obs, stacks_of
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.networks.encoders import Encoder
from robot_rl.networks.values import ValueConfig
from robot_rl.types import PROPRIO
from tests.agents.tiny import make_agent, optimised, parameters
from tests.conftest import make_interface, random_batch
from tests.interventions.served import arm_interface

INTERFACE = make_interface(cameras=2)
WITH_GRIPPER = dataclasses.replace(
    INTERFACE, proprio=arm_interface().proprio, actions=arm_interface().actions
)
DYNAMICS = DynamicsConfig(weight=1.0, hidden_dim=32)
FAMILY = (DrQV2Config, DrMConfig, MentorConfig, SACConfig, RLPDConfig, HilSerlConfig)
EVERYTHING = {
    "value": ValueConfig(fit="hl_gauss", bins=21, low=-5.0, high=5.0),
    "dynamics": DYNAMICS,
    "strong": StrongConfig(share=0.5),
    "target_encoder": True,
    "actor_every_updates": 2,
}


def face(config: type):
    return WITH_GRIPPER if config is HilSerlConfig else INTERFACE


@pytest.mark.parametrize("config", FAMILY)
def test_every_agent_takes_everything_at_once(config):
    agent = make_agent(config, face(config), **EVERYTHING)
    before = {name: parameters(module) for name, module in agent.modules().items()}
    for seed in range(2):
        metrics = agent.update(random_batch(face(config), segment=3, seed=seed))
    assert {"latent_loss", "reward_loss", "termination_loss", "returns_outside"} <= metrics.keys()
    assert all(bool(torch.isfinite(value)) for value in metrics.values())
    for name, module in agent.modules().items():
        changed = [not torch.equal(v, before[name][k]) for k, v in parameters(module).items()]
        assert sum(changed) > 0.5 * len(changed), name


@pytest.mark.parametrize("config", FAMILY)
def test_no_parameter_sits_in_two_optimisers(config):
    agent = make_agent(config, face(config), **EVERYTHING)
    owned = optimised(agent)
    assert len(owned) == len(set(owned))


@pytest.mark.parametrize("fit", ["two_hot", "hl_gauss"])
def test_a_critic_of_bins_learns_a_constant_reward(fit):
    value = ValueConfig(fit=fit, bins=41, low=-2.0, high=2.0)
    agent = make_agent(DrQV2Config, INTERFACE, lr=1e-3, value=value)
    batch = random_batch(INTERFACE, size=16)
    batch.discount[:] = 0.0
    batch.reward[:] = 1.3
    rows = [float(agent.update(batch)["q"]) for _ in range(300)]
    assert rows == pytest.approx(sorted(rows), abs=0.05)
    assert rows[-1] == pytest.approx(1.3, abs=0.2)


def test_a_fresh_critic_of_bins_says_the_middle():
    value = ValueConfig(fit="two_hot", bins=41, low=0.0, high=4.0)
    agent = make_agent(DrQV2Config, INTERFACE, value=value)
    metrics = agent.update(random_batch(INTERFACE))
    assert float(metrics["q"]) == pytest.approx(2.0, abs=1e-4)


# --------------------------------------------------------------------------- dynamics


def test_the_loss_is_that_of_the_unrolled_steps():
    torch.manual_seed(0)
    encoder = Encoder(INTERFACE, 2, "compact")
    loss = DynamicsLoss(DYNAMICS, encoder, INTERFACE.action_size, 8)
    batch = random_batch(INTERFACE, segment=3).map(torch.from_numpy)
    ahead = batch.segment
    ahead.mask[0, 1:] = 0.0  # the episode ends after the first step
    ahead.terminated[0, 0] = True
    h = encoder(batch.obs)
    total, parts = loss.loss(encoder, h, batch, pad=0)
    z, errors = loss.project(h), {"latent": 0.0, "reward": 0.0, "termination": 0.0}
    seen = stacks_of(ahead, 1)
    for k in range(3):
        out = loss.model(torch.cat((z, ahead.action[:, k]), dim=1))
        z = out[:, :-2]
        rows = torch.arange(len(z)) * 3 + k
        target = loss.project(encoder({key: x[rows] for key, x in seen.items()})).detach()
        there = ahead.mask[:, k]
        errors["latent"] += ((z - target).square().mean(dim=1) * there).sum()
        errors["reward"] += ((out[:, -2] - ahead.reward[:, k]).square() * there).sum()
        ended = ahead.terminated[:, k].float()
        errors["termination"] += ((out[:, -1] - ended).square() * there).sum()
    steps = ahead.mask.sum()
    for name, error in errors.items():
        torch.testing.assert_close(parts[f"{name}_loss"], (error / steps).detach())
    wanted = (errors["latent"] + 0.1 * errors["reward"] + 0.1 * errors["termination"]) / steps
    torch.testing.assert_close(total, wanted)


def test_what_comes_after_each_step_is_stacked_as_in_a_batch():
    ahead = random_batch(INTERFACE, segment=3).map(torch.from_numpy).segment
    every, last = stacks_of(ahead, 1), last_obs(ahead)
    for key, x in last.items():
        torch.testing.assert_close(every[key].unflatten(0, (-1, 3))[:, 2], x)
    camera = INTERFACE.cameras[0].key
    frames = ahead.obs[camera]
    torch.testing.assert_close(every[camera].unflatten(0, (-1, 3))[:, 0], frames[:, 1:3])
    torch.testing.assert_close(every[PROPRIO][:3], ahead.obs[PROPRIO][0, 1:])


def test_dynamics_are_learned_and_reach_the_encoder():
    agent = make_agent(DrQV2Config, INTERFACE, dynamics=DYNAMICS, lr=1e-3, shift_pad=0)
    batch = random_batch(INTERFACE, size=16, segment=3)
    rows = [agent.update(batch) for _ in range(60)]
    assert float(rows[-1]["reward_loss"]) < 0.3 * float(rows[0]["reward_loss"])
    assert float(rows[-1]["latent_loss"]) < 0.3 * float(rows[0]["latent_loss"])
    plain = make_agent(DrQV2Config, INTERFACE, lr=1e-3, shift_pad=0)
    for _ in range(60):
        plain.update(batch)
    gaps = [
        float((v - parameters(plain.encoder)[k]).abs().max())
        for k, v in parameters(agent.encoder).items()
    ]
    assert max(gaps) > 1e-3


def test_losses_that_look_ahead_by_different_steps_are_refused():
    config = DrQV2Config(dynamics=DynamicsConfig(weight=1.0, horizon=5), taco=TacoConfig(weight=1))
    with pytest.raises(ConfigError, match=r"agent\.dynamics\.horizon and agent\.taco\.horizon"):
        _ = config.draws
    both = DrQV2Config(dynamics=DYNAMICS, taco=TacoConfig(weight=1.0))
    assert both.draws.window == 3


# ------------------------------------------------------------------------------ strong


def test_targets_and_the_actors_q_see_what_is_not_strongly_changed():
    """With everything painted black for the actor, its Q still hangs on the true obs."""
    agent = make_agent(DrQV2Config, INTERFACE, strong=StrongConfig(share=0.5), shift_pad=0)
    batch = random_batch(INTERFACE).map(torch.from_numpy)
    obs = dict(batch.obs)
    h = agent.encoder(obs)
    torch.manual_seed(0)
    seen = agent._seen(obs, h)
    assert not torch.allclose(seen.image, h.image)
    wanted = {}
    for name, weak in (("weak", h), ("strong", seen)):
        torch.manual_seed(1)
        wanted[name] = float(agent._update_actor(weak.detach(), seen.detach(), batch)["actor_loss"])
    assert wanted["weak"] != wanted["strong"]


def test_the_share_weighs_both_views():
    y, losses = torch.zeros(8), {}
    for share in (0.25, 0.75):
        agent = make_agent(DrQV2Config, INTERFACE, strong=StrongConfig(share=share))
        batch = random_batch(INTERFACE).map(torch.from_numpy)
        h = agent.encoder(batch.obs)
        far = h._replace(image=10.0 * h.image)
        weak, strong = (
            agent.critic.q(x, batch.action).square().mean(dim=1).sum().detach() for x in (h, far)
        )
        metrics = agent._update_critic(h, far, h, y, batch)
        losses[share] = metrics["critic_loss"]
        torch.testing.assert_close(losses[share], (1 - share) * weak + share * strong)


def test_strong_settings_that_are_none_are_refused():
    with pytest.raises(ConfigError, match=r"agent\.strong\.share is 1.0"):
        StrongConfig(share=1.0)
    with pytest.raises(UnknownNameError, match=r"blur.*colour"):
        StrongConfig(kinds=("blur",))
    with pytest.raises(ConfigError, match="kinds is empty"):
        StrongConfig(share=0.5, kinds=())


# ------------------------------------------------------------------------------- paces


@pytest.mark.parametrize("config", [DrQV2Config, SACConfig])
def test_the_actor_learns_every_other_update(config):
    agent = make_agent(config, INTERFACE, actor_every_updates=2)
    for moves in (False, True, False, True):
        actor = parameters(agent.pi)
        agent.update(random_batch(INTERFACE))
        changed = any(not torch.equal(v, actor[k]) for k, v in parameters(agent.pi).items())
        assert changed == moves


def test_a_pace_of_zero_is_refused():
    with pytest.raises(ConfigError, match=r"actor_every_updates is 0"):
        DrQV2Config(actor_every_updates=0)


def test_targets_see_through_a_slow_encoder_where_asked():
    agent = make_agent(RLPDConfig, INTERFACE, target_encoder=True, tau=0.25)
    before = parameters(agent.encoder_target)
    agent.update(random_batch(INTERFACE))
    for name, after in parameters(agent.encoder_target).items():
        online = parameters(agent.encoder)[name]
        torch.testing.assert_close(after, 0.75 * before[name] + 0.25 * online)
    assert make_agent(RLPDConfig, INTERFACE).encoder_target is not agent.encoder_target


def test_a_slow_encoder_scales_proprio_as_the_encoder_does():
    agent = make_agent(RLPDConfig, INTERFACE, target_encoder=True)
    rows = np.random.default_rng(0).normal(3.0, 2.0, (50, INTERFACE.proprio_size))
    agent.encoder.scale.fit(rows.astype(np.float32))
    agent.prepare(rows.astype(np.float32))
    torch.testing.assert_close(agent.encoder_target.scale.mean, agent.encoder.scale.mean)

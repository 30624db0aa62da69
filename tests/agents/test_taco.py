"""TACO's contrastive loss and its place in other agents."""

import pytest
import torch

from robot_rl.agents.drm import DrMConfig
from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.agents.mentor import MentorConfig
from robot_rl.agents.taco import TacoConfig
from tests.agents.tiny import make_agent, optimised, parameters
from tests.conftest import make_interface, random_batch

INTERFACE = make_interface()
TACO = TacoConfig(weight=1.0, horizon=3, hidden_dim=32)


def test_info_nce_falls_on_a_learnable_toy():
    agent = make_agent(DrQV2Config, INTERFACE, taco=TACO, lr=1e-3, shift_pad=0)
    batch = random_batch(INTERFACE, size=16, segment=3)
    losses = [float(agent.update(batch)["taco_loss"]) for _ in range(80)]
    assert losses[-1] < 0.5 * losses[0]


def test_info_nce_is_zero_for_separated_pairs_and_log_b_for_equal_ones():
    taco = make_agent(DrQV2Config, INTERFACE, taco=TACO).taco
    dim = taco.bilinear.shape[0]
    apart = 50.0 * torch.eye(dim)
    ones = torch.ones(dim)
    assert float(taco.info_nce(apart, apart, ones)) == pytest.approx(0.0, abs=1e-3)
    same = torch.ones(dim, dim)
    assert float(taco.info_nce(same, same, ones)) == pytest.approx(float(torch.log(ones.sum())))


def test_logits_are_float32_inside_autocast():
    """Logits around 30 that differ by 0.03: bfloat16 would round the difference away."""
    taco = make_agent(DrQV2Config, INTERFACE, taco=TACO).taco
    dim = taco.bilinear.shape[0]
    query, key = torch.full((4, dim), 1.0), torch.full((4, dim), 30.0 / dim)
    key += 0.001 * torch.arange(4)[:, None]
    plain = taco.info_nce(query, key, torch.ones(4))
    with torch.autocast("cpu", torch.bfloat16):
        inside = taco.info_nce(query.bfloat16(), key, torch.ones(4))
    torch.testing.assert_close(inside, plain, atol=1e-5, rtol=0)


def test_rows_outside_the_mask_do_not_count():
    taco = make_agent(DrQV2Config, INTERFACE, taco=TACO).taco
    q, k = torch.randn(4, taco.bilinear.shape[0]), torch.randn(4, taco.bilinear.shape[0])
    mask = torch.tensor([1.0, 0.0, 1.0, 0.0])
    rows = torch.nn.functional.cross_entropy(
        q @ taco.bilinear @ k.T, torch.arange(4), reduction="none"
    )
    torch.testing.assert_close(taco.info_nce(q, k, mask), (rows[0] + rows[2]) / 2)


def test_reward_target_is_the_discounted_sum_over_the_horizon():
    agent = make_agent(DrQV2Config, INTERFACE, taco=TACO, gamma=0.5)
    torch.testing.assert_close(agent.taco.gammas, torch.tensor([1.0, 0.5, 0.25]))


def test_rewards_ahead_are_scaled_as_those_of_transitions():
    """Defect: reward_scale reached `batch.reward` alone, and TACO predicted unscaled rewards."""
    batch = random_batch(INTERFACE, size=16, segment=3)
    tenfold = make_agent(DrQV2Config, INTERFACE, taco=TACO, reward_scale=10.0)
    plain = make_agent(DrQV2Config, INTERFACE, taco=TACO)
    torch.manual_seed(3)
    scaled = tenfold.update(batch)["taco_reward_loss"]
    torch.manual_seed(3)
    torch.testing.assert_close(scaled, plain.update(batch.scaled(10.0))["taco_reward_loss"])
    torch.manual_seed(3)
    assert (
        scaled
        > 10 * make_agent(DrQV2Config, INTERFACE, taco=TACO).update(batch)["taco_reward_loss"]
    )


@pytest.mark.parametrize("config", [DrQV2Config, DrMConfig, MentorConfig])
def test_the_loss_plugs_into_every_agent(config):
    agent = make_agent(config, INTERFACE, taco=TACO)
    before = parameters(agent.taco)
    metrics = agent.update(random_batch(INTERFACE, segment=3))
    assert {"taco_loss", "curl_loss", "taco_reward_loss"} <= set(metrics)
    changed = [not torch.equal(v, before[k]) for k, v in parameters(agent.taco).items()]
    assert all(changed)


def test_critics_read_latent_actions():
    agent = make_agent(DrQV2Config, INTERFACE, taco=TACO)
    assert agent.taco.tokenizer(torch.zeros(1, 2)).shape == (1, TACO.latent_dim(2))
    assert agent.critic.net.linear[0].weight.shape[1] == 24 + TACO.latent_dim(2)


def test_no_parameter_sits_in_two_optimisers():
    agent = make_agent(MentorConfig, INTERFACE, taco=TACO, actor="moe")
    owned = optimised(agent)
    assert len(owned) == len(set(owned))
    trained = {
        id(p)
        for name, module in agent.modules().items()
        if name not in ("critic_target", "policy_ema")
        for p in module.parameters()
    }
    assert trained == set(owned)

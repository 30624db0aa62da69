"""Mechanisms of Dreamer, RePo, InfoPower and R2-Dreamer."""

from typing import Any

import numpy as np
import pytest
import torch

from robot_rl.agents.base import AGENTS
from robot_rl.agents.dreamer_config import DreamerConfig, EmpowermentConfig, KLConfig
from robot_rl.agents.dual import Dual
from robot_rl.agents.imagination import lambda_returns, reach_weights
from robot_rl.agents.representation import Barlow, Contrast
from robot_rl.networks.compute import Compute
from robot_rl.networks.policy import PolicyMemory
from robot_rl.networks.rssm import RSSMConfig
from tests.agents.tiny import make_agent, optimised, parameters
from tests.conftest import make_interface, random_batch, random_obs

INTERFACE = make_interface(cameras=2, size=32)
LENGTH = 5
FAMILY = ("dreamer", "repo", "infopower", "r2dreamer")


def agent_of(name: str = "dreamer", **settings: Any) -> Any:
    """An agent of the family, small; `settings` beside those that make it what it is."""
    default = AGENTS.load(name).config
    kept = {
        key: getattr(default, key)
        for key in ("name", "representation", "kl", "empowerment", "actor_gradient")
    }
    small = {
        "segment_length": LENGTH,
        "embed_dim": 8,
        "rssm": RSSMConfig(deter=12, hidden=16, stoch=5),
        "decoder_depth": 4,
        "imagined": 4,
        "shift_pad": 0,
        "frame_stack": 1,
    }
    return make_agent(DreamerConfig, INTERFACE, **{**small, **kept, **settings})


def segment_of(size: int = 4, seed: int = 0):
    segment = random_batch(INTERFACE, size=size, stack=1, segment=LENGTH, seed=seed).segment
    rng = np.random.default_rng(seed)
    for key, x in segment.obs.items():
        full = rng.integers(0, 256, x.shape) if x.dtype == np.uint8 else rng.normal(size=x.shape)
        segment.obs[key] = full.astype(x.dtype)
    return segment.map(torch.from_numpy)


# --------------------------------------------------------------------- imagination


def test_lambda_returns_by_hand():
    reward, discount = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.9, 0.0, 0.5]])
    value = torch.tensor([[9.0, 10.0, 20.0, 40.0]])
    last = 3.0 + 0.5 * 40.0
    middle = 2.0
    begin = 1.0 + 0.9 * (0.2 * 10.0 + 0.8 * middle)
    found = lambda_returns(reward, discount, value, lam=0.8)
    torch.testing.assert_close(found, torch.tensor([[begin, middle, last]]))


def test_of_two_extremes_one_sums_rewards_and_one_trusts_the_next_value():
    reward, value = torch.rand(3, 4), torch.rand(3, 5)
    discount = torch.full((3, 4), 0.9)
    torch.testing.assert_close(
        lambda_returns(reward, discount, value, lam=0.0), reward + 0.9 * value[:, 1:]
    )
    summed = lambda_returns(reward, discount, value, lam=1.0)[:, 0]
    powers = 0.9 ** torch.arange(4)
    torch.testing.assert_close(summed, (reward * powers).sum(1) + 0.9**4 * value[:, -1])


def test_a_state_counts_as_much_as_it_is_reached():
    weights = reach_weights(torch.tensor([[0.5, 0.0, 0.9]]))
    torch.testing.assert_close(weights, torch.tensor([[1.0, 0.5, 0.0]]))


# ------------------------------------------------------------------ representation


def test_barlow_is_zero_for_a_whitened_twin_and_counts_what_is_missing():
    barlow = Barlow(4, 4, off_diagonal=0.1)
    x, _ = torch.linalg.qr(torch.randn(4000, 4))  # columns orthogonal: no cross-correlation
    x = x - x.mean(dim=0)
    same = float(barlow.redundancy(x, x))
    assert same == pytest.approx(0.0, abs=2e-3)
    apart = float(barlow.redundancy(x, torch.randn(4000, 4)))
    assert apart == pytest.approx(4.0, abs=0.2)  # every diagonal is 0 instead of 1
    torch.testing.assert_close(float(barlow.redundancy(3 * x + 1, x)), same, atol=1e-3, rtol=0)


def test_contrast_is_the_logarithm_of_the_batch_without_knowledge_and_less_with():
    contrast, embed = Contrast(32, 32), 4 * torch.eye(32)
    torch.nn.init.zeros_(contrast.project.weight)
    assert float(contrast(embed, embed, {}).detach()) == pytest.approx(np.log(32), abs=1e-5)
    contrast.project.weight.data.copy_(torch.eye(32))
    wanted = np.log1p(31 * np.exp(-16.0))  # 16 for its own, 0 for each of the others
    assert float(contrast(embed, embed, {}).detach()) == pytest.approx(wanted, abs=1e-6)


def test_a_probe_draws_and_changes_nothing_of_what_is_learned():
    """No gradient of it reaches encoder or model: RePo's decoder is for looking."""
    plain, probed = agent_of("repo"), agent_of("repo", probe=True)
    state = probed.state_dict()
    modules = {**state["modules"], **plain.state_dict()["modules"]}
    probed.load_state_dict({**state, "modules": modules})
    losses = []
    for seed in range(4):
        for agent in (plain, probed):
            torch.manual_seed(seed)
            metrics = agent.update(segment_of())
        losses.append(float(metrics["probe_loss"]))
    assert losses[-1] < losses[0]
    ours, theirs = parameters(plain._policy), parameters(probed._policy)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=0)


# ---------------------------------------------------------------------------- duals


def test_a_dual_variable_settles_where_its_constraint_holds():
    """min (x - 3)^2 subject to x <= 1: the multiplier ends at 4, x at 1."""
    dual = Dual(0.5, 0.02, Compute(torch.device("cpu"), False))
    x = torch.tensor(3.0, requires_grad=True)
    opt = torch.optim.SGD([x], lr=0.2)
    for _ in range(2000):
        opt.zero_grad()
        ((x - 3.0).square() + dual.value * (x - 1.0)).backward()
        opt.step()
        dual.follow(x - 1.0)
    assert float(x.detach()) == pytest.approx(1.0, abs=1e-3)
    assert float(dual.value) == pytest.approx(4.0, abs=1e-2)


def test_surprise_is_held_at_its_target():
    """A posterior that would be elsewhere, a prior that stays: it tells 3 nats, and no more."""
    kl = KLConfig(target=3.0, dual_initial=1e-3, dual_lr=0.02, balance=0.0)
    agent = agent_of("repo", kl=kl)
    posterior, prior = torch.zeros(1, 1, 10, requires_grad=True), torch.zeros(1, 1, 10)
    opt = torch.optim.Adam([posterior], lr=0.02)
    for _ in range(1500):
        mean, _ = agent.rssm.latent.moments(posterior)
        surprise, nats = agent._kl_loss(posterior, prior)
        opt.zero_grad()
        ((mean - 4.0).square().sum() + surprise).backward()
        opt.step()
        agent._follow_duals({"kl": nats})
    assert float(nats) == pytest.approx(3.0, abs=0.1)
    assert float(agent.beta.value) > 1.0


def test_balance_says_how_much_the_prior_and_the_posterior_learn():
    agent = agent_of("repo", kl=KLConfig(target=1.0, dual_initial=1.0, balance=0.75))
    p, q = (torch.randn(2, 3, 10, requires_grad=True) for _ in range(2))
    loss, kl = agent._kl_loss(p, q)
    whole = agent.rssm.latent.kl(p, q).mean()
    torch.testing.assert_close(kl, whole.detach())
    torch.testing.assert_close(loss.detach(), whole.detach() - 1.0)
    grads = torch.autograd.grad(loss, (p, q))
    full = torch.autograd.grad(whole, (p, q))
    torch.testing.assert_close(grads[0], 0.25 * full[0])
    torch.testing.assert_close(grads[1], 0.75 * full[1])


def test_free_nats_cost_what_they_are_and_move_nothing():
    agent = agent_of(kl=KLConfig(weight=2.0, balance=0.5, free=100.0))
    p, q = (torch.randn(2, 3, 10, requires_grad=True) for _ in range(2))
    loss, _ = agent._kl_loss(p, q)
    assert float(loss.detach()) == pytest.approx(200.0)
    assert all(float(g.abs().sum()) == 0 for g in torch.autograd.grad(loss, (p, q)))


# ------------------------------------------------------------------------- learning


@pytest.mark.parametrize("name", FAMILY)
def test_every_weight_belongs_to_one_optimiser_and_moves(name):
    agent = agent_of(name, lr=1e-2, actor_lr=1e-2)
    before = {k: parameters(m) for k, m in agent.modules().items()}
    owned = optimised(agent)
    assert len(owned) == len(set(owned))
    policy = {id(p) for p in agent._policy.parameters()}
    assert policy <= set(owned)
    for seed in range(3):
        agent.update(segment_of(seed=seed))
    for part in ("policy", "heads", "critic", "critic_slow"):
        after = parameters(agent.modules()[part])
        assert any(not torch.equal(after[key], value) for key, value in before[part].items()), part


@pytest.mark.parametrize("gradient", ["pathwise", "score"])
def test_the_actor_learns_what_its_model_rewards(gradient):
    """Rewarded for its first action at every imagined step, it turns that up; no model moves."""
    agent = agent_of("repo", actor_gradient=gradient, actor_lr=1e-2, entropy=0.0, gamma=0.5)
    torch.manual_seed(0)
    state = agent.rssm.initial(64, torch.device("cpu"))

    def reward(feature: torch.Tensor) -> torch.Tensor:
        # h is moved by the action alone from a state of zero: read it out by what it did.
        return feature @ direction

    probe = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    moved = agent.rssm.move(agent.rssm.initial(2, torch.device("cpu")), probe)
    direction = torch.zeros(agent.rssm.feature_dim)
    direction[: moved.shape[1]] = 30 * (moved[0] - moved[1]).detach()
    agent.heads.value.mean = lambda out: out  # the heads below say numbers
    agent.heads.reward = Reads(reward)
    agent.critic = Reads(lambda feature: feature.new_zeros(feature.shape[:-1]))
    before = parameters(agent.rssm)
    began = float(agent.pi(state.feature).mean[:, 0].mean().detach())
    for _ in range(60):
        loss, *_ = agent._imagine(state, torch.ones(64))
        agent._descend(loss, agent.actor_opt)
        agent._frozen(False)
    assert float(agent.pi(state.feature).mean[:, 0].mean().detach()) > began + 0.2
    for name, value in agent.rssm.named_parameters():
        torch.testing.assert_close(value, before[name])


class Reads(torch.nn.Module):
    def __init__(self, read: Any) -> None:
        super().__init__()
        self._read = read

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        return self._read(feature)


def test_what_does_not_exist_teaches_nothing():
    """Rewards and ends at the gap between two episodes are masked."""
    agent, segment = agent_of(), segment_of()
    segment.mask[:, 2] = 0.0
    segment.is_first[:, 3] = True

    def losses() -> dict[str, float]:
        torch.manual_seed(0)
        obs, embeds = agent._seen(segment)
        metrics = agent._model_loss(obs, embeds, segment)[2]
        return {key: float(metrics[key]) for key in ("reward_loss", "goes_on_loss")}

    before = losses()
    segment.reward[:, 2], segment.terminated[:, 2] = 50.0, True
    assert losses() == before


def test_nothing_is_imagined_beyond_an_end():
    agent, segment = agent_of(), segment_of()
    segment.terminated[0, 1] = True
    obs, embeds = agent._seen(segment)
    states = agent._model_loss(obs, embeds, segment)[1]
    starts, alive = agent._starts(states, segment.terminated)
    assert len(starts.deter) == len(alive) == 4 * (LENGTH + 1)
    assert alive.tolist().index(0.0) == 2
    assert float(alive.sum()) == len(alive) - 1
    fewer, imagined_from = agent_of(imagine_from=7), []
    imagine = fewer._imagine
    fewer._imagine = lambda state, weight: (
        imagined_from.append(len(weight)) or imagine(state, weight)
    )
    fewer.update(segment)
    assert imagined_from == [7]


def test_empowerment_is_the_likelihood_of_the_action_and_is_paid_for_in_imagination():
    agent = agent_of("infopower", empowerment=EmpowermentConfig(weight=0.5, target=0.0), lr=3e-3)
    segment = segment_of(8)
    rows = [agent.update(segment) for _ in range(60)]
    assert float(rows[-1]["empowerment"]) > float(rows[0]["empowerment"])
    before, after, action = torch.randn(3, 17), torch.randn(3, 17), torch.rand(3, 2)
    mean, raw = agent.heads.inverse(torch.cat((before, after), dim=-1)).chunk(2, dim=-1)
    std = torch.nn.functional.softplus(raw) + 0.1
    wanted = torch.distributions.Normal(mean, std).log_prob(action).sum(-1)
    torch.testing.assert_close(agent.heads.caused(before, after, action), wanted)


def test_collecting_draws_from_the_actor_inside_the_box():
    agent, obs = agent_of(), random_obs(INTERFACE, np.random.default_rng(0))
    memory = PolicyMemory(agent.actor(), 3)
    actions = np.stack([memory.act([obs] * 3) for _ in range(20)])
    assert np.abs(actions).max() <= 1.0
    assert actions.std() > 0.3

"""Mechanisms of IQL, CQL and Cal-QL."""

import math
from dataclasses import replace

import pytest
import torch

from robot_rl.agents.cql import CQLConfig
from robot_rl.agents.iql import IQLConfig, around_the_mean, log_density
from robot_rl.errors import ConfigError
from robot_rl.networks.actor_critic import ActorOutput
from robot_rl.networks.layers import gaussian_log_prob
from robot_rl.replay.draws import Transitions
from tests.agents.tiny import make_agent, parameters
from tests.conftest import make_interface, random_batch

INTERFACE = make_interface(cameras=2)


def batch_of(size: int = 16, seed: int = 0, earned: float = math.nan):
    batch = random_batch(INTERFACE, size=size, seed=seed).map(torch.from_numpy)
    return replace(batch, returns_to_go=torch.full((size,), earned))


def warm(agent, updates: int = 3):
    for i in range(updates):
        agent.update(batch_of(seed=i))
    return agent


# ----------------------------------------------------------------------------- IQL


def test_the_target_looks_to_v_of_the_next_state():
    agent, batch = warm(make_agent(IQLConfig, INTERFACE)), batch_of()
    next_h = agent.encoder(batch.next_obs).detach()
    torch.testing.assert_close(agent._next_value(next_h), agent.value(next_h))


def test_v_comes_to_the_expectile_of_what_was_done():
    """In one state two actions, Q' says -1 and 1: tau / (1 - tau) = (v + 1) / (1 - v)."""
    agent = make_agent(IQLConfig, INTERFACE, expectile=0.9, lr=1e-2)
    batch = batch_of(2)
    same = {key: x[:1].repeat(2, *[1] * (x.dim() - 1)) for key, x in batch.obs.items()}
    h = agent.encoder(same).detach()
    agent.critic_target.q = lambda features, action: torch.tensor([[-1.0, 1.0]])
    for _ in range(300):
        agent._update_value(h, batch)
    assert float(agent.value(h)[0].detach()) == pytest.approx(0.8, abs=0.02)


def test_what_was_done_is_imitated_as_much_as_it_was_better():
    agent, batch = warm(make_agent(IQLConfig, INTERFACE, temperature=2.0)), batch_of()
    h = agent.encoder(batch.obs).detach()
    with torch.no_grad():
        q = agent.critic_target.q(h, batch.action).amin(dim=0)
        weight = (2.0 * (q - agent.value(h))).exp()
        out = agent.pi(h)
        wanted = -(weight * log_density(out, batch.action)).mean()
    found = agent._update_actor(h, h, batch)
    torch.testing.assert_close(found["actor_loss"], wanted)
    torch.testing.assert_close(found["weight"], weight.mean())


def test_a_weight_is_bounded():
    agent = make_agent(IQLConfig, INTERFACE, temperature=1e6, max_weight=5.0)
    batch = batch_of()
    h = agent.encoder(batch.obs).detach()
    agent.critic_target.q = lambda features, action: torch.full((2, 16), 100.0)
    assert float(agent._update_actor(h, h, batch)["weight"]) == 5.0


def test_of_two_actions_the_better_one_is_learned():
    """The same state: 0.8 is worth 1, -0.8 nothing. Cloning would go to the middle."""
    agent = make_agent(IQLConfig, INTERFACE, lr=3e-3, temperature=5.0)
    batch = batch_of(16)
    same = {key: x[:1].repeat(16, *[1] * (x.dim() - 1)) for key, x in batch.obs.items()}
    good = torch.arange(16) % 2 == 0
    action = torch.where(good, 0.8, -0.8).unsqueeze(1).expand_as(batch.action).contiguous()
    batch = replace(
        batch,
        obs=same,
        next_obs=same,
        action=action,
        reward=good.float(),
        discount=torch.zeros(16),
    )
    for _ in range(150):
        agent.update(batch)
    with torch.no_grad():
        mu = agent.pi(agent.encoder(same)).mu
    assert float(mu.mean()) > 0.6


def test_the_density_is_a_normal_one_around_the_squashed_mean():
    mu, log_std = torch.tensor([[0.3]]), torch.tensor([[-0.5]])
    out = ActorOutput(mu, torch.atanh(mu), None, log_std)
    normal = torch.distributions.Normal(0.3, math.exp(-0.5))
    for a in (-1.0, 0.2, 1.0):
        found = float(log_density(out, torch.tensor([[a]])))
        assert found == pytest.approx(float(normal.log_prob(torch.tensor(a))), abs=1e-6)
    noise = torch.tensor([[5.0]])
    assert float(around_the_mean(out, {}, noise)) == 1.0


def test_an_expectile_below_the_mean_is_refused():
    with pytest.raises(ConfigError, match=r"expectile is 0\.3"):
        IQLConfig(expectile=0.3)


# --------------------------------------------------------------------- CQL, Cal-QL


def test_actions_are_drawn_with_the_density_that_they_are_weighed_by():
    """Evenly in the box, by the policy here, and by the policy in the next state."""
    agent, batch = make_agent(CQLConfig, INTERFACE, drawn=3), batch_of(2)
    h, next_h = (agent.encoder(x).detach() for x in (batch.obs, batch.next_obs))
    torch.manual_seed(0)
    actions, density = agent._drawn(h, next_h, batch.action)
    assert actions.shape == (9, 2, INTERFACE.action_size)
    torch.testing.assert_close(
        density[:3], torch.full((3, 2), -INTERFACE.action_size * math.log(2.0))
    )
    for i, seen in enumerate((h, next_h)):
        out = agent.pi(seen)
        own = actions[3 * (i + 1) : 3 * (i + 2)]
        pre_tanh = torch.atanh(own.clamp(-1 + 1e-6, 1 - 1e-6))
        wanted = gaussian_log_prob(pre_tanh, out.pre_tanh, out.log_std)
        found = density[3 * (i + 1) : 3 * (i + 2)]
        torch.testing.assert_close(found, wanted.detach(), rtol=2e-2, atol=2e-2)


def test_the_push_is_the_mean_of_e_to_the_q_over_the_density_less_what_was_done():
    agent, batch = warm(make_agent(CQLConfig, INTERFACE, drawn=3, conservatism=5.0)), batch_of(4)
    h, next_h = (agent.encoder(x).detach() for x in (batch.obs, batch.next_obs))
    torch.manual_seed(0)
    actions, density = agent._drawn(h, next_h, batch.action)
    torch.manual_seed(0)
    loss, metrics = agent._auxiliary(h, next_h, batch)
    with torch.no_grad():
        q = torch.stack([agent.critic.q(h, a) for a in actions], dim=1)
        weighed = (q.exp() / density.exp()).mean(dim=1).log()
        wanted = (weighed - agent.critic.q(h, batch.action)).mean(dim=1)
    torch.testing.assert_close(metrics["push"], wanted.mean(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(loss.detach(), 5.0 * wanted.sum(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("earned", "bound"), [(3.0, 3.0), (-3.0, 0.5), (math.nan, 0.5)])
def test_cal_ql_does_not_push_its_own_actions_below_what_was_earned(earned, bound):
    q, batch = torch.full((2, 6, 4), 0.5), batch_of(4, earned=earned)
    found = make_agent(CQLConfig, INTERFACE, drawn=2, calibrated=True)._calibrated(q, batch)
    assert (found[:, :2] == 0.5).all()
    assert (found[:, 2:] == bound).all()
    assert (make_agent(CQLConfig, INTERFACE, drawn=2)._calibrated(q, batch) == 0.5).all()


def test_other_actions_come_to_lie_below_those_that_were_done():
    torch.manual_seed(0)
    agents = [
        make_agent(CQLConfig, INTERFACE, lr=1e-3, conservatism=weight) for weight in (0.0, 5.0)
    ]
    gaps = []
    for agent in agents:
        for _ in range(60):
            agent.update(batch_of(16))
        batch = batch_of(16)
        with torch.no_grad():
            h = agent.encoder(batch.obs)
            done = agent.critic.q(h, batch.action)
            other = agent.critic.q(h, torch.rand_like(batch.action) * 2 - 1)
        gaps.append(float((done - other).mean()))
    assert gaps[1] > gaps[0] + 0.1


def test_cal_ql_draws_returns_and_cql_does_not():
    for calibrated in (False, True):
        draws = CQLConfig(calibrated=calibrated).draws
        assert isinstance(draws, Transitions)
        assert draws.returns_to_go is calibrated


def test_an_update_of_each_moves_actor_critic_and_encoder():
    for config in (IQLConfig, CQLConfig):
        agent = make_agent(config, INTERFACE)
        before = [parameters(module) for module in (agent.pi, agent.critic, agent.encoder)]
        warm(agent, 2)
        for module, old in zip((agent.pi, agent.critic, agent.encoder), before, strict=True):
            assert any(not torch.equal(x, old[name]) for name, x in parameters(module).items())


@pytest.mark.parametrize("settings", [{"drawn": 0}, {"conservatism": -1.0}])
def test_a_push_of_nothing_is_refused(settings):
    with pytest.raises(ConfigError, match=r"agent\.drawn="):
        CQLConfig(**settings)

"""Mechanisms of TD-MPC2."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from robot_rl.agents.tdmpc2 import TDMPC2, TDMPC2Config
from robot_rl.agents.windows import stacks_of
from robot_rl.networks.mppi import PlannerConfig
from robot_rl.networks.policy import PolicyMemory
from robot_rl.networks.values import symlog
from tests.agents.tiny import make_agent, optimised, parameters
from tests.conftest import make_interface, random_batch, random_obs

INTERFACE = make_interface(cameras=2)
RHO, GAMMA, HORIZON = 0.5, 0.9, 3


def agent_of(**settings: Any) -> TDMPC2:
    return make_agent(
        TDMPC2Config,
        INTERFACE,
        latent_dim=16,
        simnorm_group=4,
        ensemble_size=3,
        dropout=0.0,
        gamma=GAMMA,
        planner=PlannerConfig(horizon=HORIZON, iterations=2, samples=16, prior_samples=4, elites=4),
        **{"shift_pad": 0, **settings},
    )


def segment_of(size: int = 8, seed: int = 0):
    segment = random_batch(INTERFACE, size=size, segment=HORIZON, seed=seed).segment
    rng = np.random.default_rng(seed)
    for key, x in segment.obs.items():  # the helper's are black but for the last
        full = rng.integers(0, 256, x.shape) if x.dtype == np.uint8 else rng.normal(size=x.shape)
        segment.obs[key] = full.astype(x.dtype)
    return segment.map(torch.from_numpy)


def cross_entropy(logits: torch.Tensor, y: float) -> float:
    """Of one return against one row of logits over 101 bins of symlog in [-10, 10]."""
    place = (float(symlog(torch.tensor(y))) + 10.0) / 0.2
    below = int(place)
    log_p = F.log_softmax(logits.detach(), dim=-1)
    return -float((1 - (place - below)) * log_p[below] + (place - below) * log_p[below + 1])


def warm(agent: TDMPC2) -> TDMPC2:
    """Some updates, so that no head is zero any more."""
    for i in range(3):
        agent.update(segment_of(seed=i))
    return agent


def test_the_model_s_loss_is_that_of_the_paper_step_by_step():
    agent, segment = warm(agent_of(lr=3e-3)), segment_of(4, seed=9)
    segment.mask[1, 2:] = 0.0
    seen = stacks_of(segment, 0)
    z = agent._policy.encode(seen).view(4, HORIZON + 1, 16)
    y = torch.rand(4, HORIZON) * 5
    latents = torch.cat((z[:, :1], agent.model.rollout(z[:, 0], segment.action)), dim=1)
    loss, metrics = agent._model_loss(latents, z[:, 1:], y, segment)
    sums = {"consistency": 0.0, "reward": 0.0, "value": 0.0}
    for b in range(4):
        at = z[b : b + 1, 0]
        for t in range(HORIZON):
            if not segment.mask[b, t]:
                continue
            a = segment.action[b : b + 1, t]
            reward = agent.model.reward(at, a)[0]
            sums["reward"] += RHO**t * cross_entropy(reward, float(segment.reward[b, t]))
            critics = agent.model.q(at, a)[:, 0]
            each = [cross_entropy(logits, float(y[b, t])) for logits in critics]
            sums["value"] += RHO**t * sum(each) / 3
            at = agent.model.next(at, a)
            gap = (at[0] - z[b, t + 1]).detach()
            sums["consistency"] += RHO**t * float(gap.square().mean())
    steps = float(segment.mask.sum())
    assert steps == 11
    for name, total in sums.items():
        torch.testing.assert_close(
            float(metrics[f"{name}_loss"]), total / steps, rtol=1e-4, atol=1e-6
        )
    wanted = (20 * sums["consistency"] + 0.1 * sums["reward"] + 0.1 * sums["value"]) / steps
    torch.testing.assert_close(float(loss.detach()), wanted, rtol=1e-4, atol=1e-6)


def test_the_target_is_the_lesser_of_two_random_critics_and_stops_at_an_end():
    agent, segment = warm(agent_of(lr=3e-3)), segment_of(4)
    segment.terminated[2, 1] = True
    after = torch.rand(4, HORIZON, 16).unflatten(-1, (4, 4)).softmax(-1).flatten(-2)
    torch.manual_seed(3)
    y = agent._td_target(after, segment)
    torch.manual_seed(3)
    prior = agent.model.prior(after)
    action = prior.action(torch.randn_like(prior.mean))
    two = torch.randperm(3)[:2]
    out = agent.critic_target(torch.cat((after, action), dim=-1).flatten(0, 1))[two]
    q = agent.model.value.mean(out).amin(dim=0).view(4, HORIZON)
    wanted = segment.reward + GAMMA * q
    wanted[2, 1] = segment.reward[2, 1]
    torch.testing.assert_close(y, wanted)


def test_the_encoder_learns_slower_and_every_weight_belongs_to_one_optimiser():
    agent = agent_of(lr=1e-3, terminations=True)
    rates = [group["lr"] for group in agent.model_opt.param_groups]
    np.testing.assert_allclose(rates, [1e-3, 3e-4])
    owned = optimised(agent)
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(p) for p in agent._policy.parameters()}


def test_the_prior_climbs_the_critics_and_moves_nothing_else():
    agent = warm(agent_of(lr=3e-3, entropy=0.0))
    latents, mask = torch.rand(16, HORIZON + 1, 16), torch.ones(16, HORIZON)
    before = {k: parameters(m) for k, m in (("pi", agent.model.pi), ("q", agent.model.critics))}

    def worth() -> float:
        with torch.no_grad():
            action = agent.model.prior(latents).action()
            return float(
                agent.model.value.mean(
                    agent.model.q(latents.flatten(0, 1), action.flatten(0, 1))
                ).mean()
            )

    began = worth()
    for _ in range(40):
        agent._update_prior(latents, mask)
    assert worth() > began
    for name, value in agent.model.critics.named_parameters():
        torch.testing.assert_close(value, before["q"][name])
    assert any(
        not torch.equal(value, before["pi"][name])
        for name, value in agent.model.pi.named_parameters()
    )


def test_it_learns_what_is_there_to_learn():
    agent = agent_of(lr=3e-3)
    segment = segment_of(16)
    rows = [agent.update(segment) for _ in range(80)]
    for name in ("consistency_loss", "reward_loss"):
        assert float(rows[-1][name]) < 0.5 * float(rows[0][name])


def test_ends_are_learned():
    agent = agent_of(lr=3e-3, terminations=True)
    segment = segment_of(16)
    segment.terminated[:8, -1] = True
    rows = [agent.update(segment) for _ in range(80)]
    assert float(rows[-1]["termination_loss"]) < 0.5 * float(rows[0]["termination_loss"])


def test_collecting_plans_with_fresh_draws_inside_the_box():
    agent = warm(agent_of())
    memory, obs = PolicyMemory(agent.actor(), 2), random_obs(INTERFACE, np.random.default_rng(0))
    torch.manual_seed(0)
    actions = np.stack([memory.act([obs, obs]) for _ in range(6)])
    assert np.abs(actions).max() <= 1.0
    assert np.abs(actions[:, 0] - actions[:, 1]).max(axis=1).min() > 0
    prior = PolicyMemory(agent_of(plan=False).actor(), 1)
    assert np.abs(prior.act([obs]) - prior.act([obs])).max() > 0


def test_an_actor_elsewhere_acts_with_the_state_it_is_sent():
    here, there = warm(agent_of(lr=3e-3)), agent_of()
    there.actor().load_state_dict(here.actor().state_dict())
    for name, value in there._policy.state_dict().items():
        torch.testing.assert_close(value, here._policy.state_dict()[name])

"""Mechanisms of MoDem-V2."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from robot_rl.agents.modem import MoDem, MoDemConfig
from robot_rl.agents.windows import stacks_of
from robot_rl.errors import ConfigError
from robot_rl.networks.mppi import PlannerConfig
from robot_rl.networks.policy import Previous, to_tensors
from robot_rl.networks.stacked import NetworkConfig
from robot_rl.networks.tdmpc2 import PLAN
from robot_rl.types import Segment
from tests.agents.test_tdmpc2 import INTERFACE
from tests.agents.test_tdmpc2 import segment_of as untaught
from tests.agents.tiny import make_agent, optimised, parameters
from tests.conftest import random_obs

GAMMA, ACTORS = 0.9, 3
PLANNER = PlannerConfig(horizon=3, iterations=2, samples=16, prior_samples=4, elites=4)
SMALL = {
    "latent_dim": 16,
    "simnorm_group": 4,
    "ensemble_size": 2 * ACTORS,
    "actors": ACTORS,
    "dropout": 0.0,
    "planner": PLANNER,
}


def segment_of(size: int = 8, seed: int = 0) -> Segment:
    """Steps that somebody taught."""
    segment = untaught(size, seed)
    return replace(segment, taught=torch.ones_like(segment.taught))


def agent_of(**settings: Any) -> MoDem:
    defaults = {**SMALL, "gamma": GAMMA, "shift_pad": 0, "handover_after": 10}
    return make_agent(MoDemConfig, INTERFACE, **{**defaults, "handover_steps": 100, **settings})


def cloned(updates: int = 3, **settings: Any) -> MoDem:
    agent = agent_of(**{"lr": 3e-3, **settings})
    for _ in range(updates):
        agent.update(segment_of(seed=1))
    return agent


def learning(**settings: Any) -> MoDem:
    """Cloned, and some updates after the planner began to take over."""
    agent = cloned(**settings)
    agent.step = 11
    for i in range(3):
        agent.update(segment_of(seed=i))
    return agent


def acted(agent: MoDem, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Actions for one observation `n` times, and the plans that are kept."""
    actor = agent.actor()
    obs = random_obs(INTERFACE, np.random.default_rng(seed))
    batch = to_tensors([obs] * n, torch.device("cpu"))
    previous = Previous.nothing(n, INTERFACE.action_size)
    action, carry = actor.step(batch, previous, actor.initial(n))
    return action, carry[PLAN]


# -------------------------------------------------------------------------- cloning


def test_before_the_first_step_one_actor_imitates_and_nothing_else_learns():
    agent = agent_of(lr=3e-3)
    before, segment = parameters(agent._policy), segment_of(seed=1)
    losses = [float(agent.update(segment)["cloning_loss"]) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    for name, value in parameters(agent._policy).items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_the_cloning_loss_is_the_error_of_the_steps_that_are_there():
    agent, segment = agent_of(), segment_of(seed=1)
    segment.mask[:, 2:] = 0.0
    segment.label[:, 2:] = 1e3
    z = agent.cloned.encode(stacks_of(segment, 0))
    action = torch.tanh(agent.cloned.model.pi(z)[0]).view(8, 4, -1)[:, :2]
    wanted = (action - segment.label[:, :2]).square().mean()
    found = agent.update(segment)["cloning_loss"]
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-4, atol=1e-6)


def test_what_nobody_taught_is_not_cloned():
    agent, segment = agent_of(), segment_of(seed=1)
    segment.taught[:, 1:] = False
    segment.label[:, 1:] = 1e3
    assert float(agent.update(segment)["cloning_loss"]) < 10.0
    assert float(agent.update(untaught(seed=1))["cloning_loss"]) == 0.0


def test_the_cloned_policy_sees_proprio_scaled_as_the_others():
    agent = agent_of(network=NetworkConfig(hidden_dim=16, frame_stack=2, scale_proprio=True))
    rows = np.random.default_rng(0).normal(5.0, 2.0, (50, INTERFACE.proprio_size))
    agent.prepare(rows.astype(np.float32))
    agent.update(segment_of(seed=1))
    agent.step = 1
    agent.update(segment_of(seed=1))
    for policy in (agent.cloned, agent._policy, agent._policy_ema):
        np.testing.assert_allclose(policy.encoder.scale.mean, rows.mean(axis=0), rtol=1e-5)


def test_what_was_cloned_is_where_every_actor_begins():
    agent = cloned()
    assert agent.policy() is agent.cloned is agent.last_policy()
    agent.step = 1
    wanted = parameters(agent.cloned)
    agent._begin()
    for policy in (agent._policy, agent._policy_ema):
        found = parameters(policy)
        for name in (n for n in found if n.startswith(("encoder.", "head."))):
            torch.testing.assert_close(found[name], wanted[name], rtol=0, atol=0)
        for name in (n for n in found if n.startswith("model.pi.")):
            for member in found[name]:
                torch.testing.assert_close(member, wanted[name][0], rtol=0, atol=0)


def test_until_the_handover_the_model_learns_and_what_sees_and_acts_does_not():
    agent = cloned()
    agent.step = 1
    agent.update(segment_of(seed=0))
    before = parameters(agent._policy)
    metrics = agent.update(segment_of(seed=1))
    moved = {n for n, x in parameters(agent._policy).items() if not torch.equal(x, before[n])}
    assert {n.split(".")[1] for n in moved} == {"dynamics", "rewards", "critics"}
    assert "prior_loss" not in metrics
    assert agent.policy() is agent.cloned
    agent.step = 11
    agent.update(segment_of(seed=2))
    assert agent.policy() is agent._policy_ema
    after = parameters(agent._policy)
    assert not any(torch.equal(after[n], before[n]) for n in before)


def test_then_the_cloned_policy_stays_and_the_actors_part():
    agent = cloned()
    kept = parameters(agent.cloned)
    agent.step = 11
    for i in range(4):
        agent.update(segment_of(seed=i))
    for name, value in parameters(agent.cloned).items():
        torch.testing.assert_close(value, kept[name], rtol=0, atol=0)
    first, second, _ = agent._policy.model.pi.linear[0].weight
    assert not torch.equal(first, second)


def test_without_cloning_it_plans_from_the_first_step_on():
    agent = agent_of()
    assert agent.exploration() == {"agency": 1.0}
    agent.step = 1
    agent.update(segment_of())
    assert agent.policy() is agent._policy_ema


# ------------------------------------------------------------------------- handover


@pytest.mark.parametrize(
    ("step", "agency"), [(0, 0.0), (10, 0.0), (35, 0.25), (110, 1.0), (9999, 1.0)]
)
def test_agency_rises_in_a_line(step, agency):
    agent = learning()
    agent.step = step
    assert agent.exploration()["agency"] == pytest.approx(agency)


def test_before_the_model_has_begun_to_learn_what_was_cloned_acts():
    agent = cloned(handover_after=0, handover_steps=0)
    agent.step = 3
    assert agent.exploration() == {"agency": 0.0}
    assert agent.policy() is agent.cloned
    agent.update(segment_of())
    assert agent.exploration() == {"agency": 1.0}
    assert agent.policy() is agent._policy_ema


def test_without_planning_the_first_actor_acts():
    agent = learning(plan=False, noise_std=0.02)
    agent.step = 110
    action, _ = acted(agent, 20)
    obs = random_obs(INTERFACE, np.random.default_rng(0))
    batch = to_tensors([obs], torch.device("cpu"))
    inputs = batch, Previous.nothing(1, INTERFACE.action_size), agent._policy.initial(1)
    wanted, _ = agent._policy.eval().step(*inputs)
    assert action.shape == (20, INTERFACE.action_size)
    assert float((action - wanted).abs().max().detach()) <= 3 * 0.02 + 1e-5


def test_without_a_handover_the_planner_takes_every_step_at_once():
    assert [MoDemConfig(handover_after=10, handover_steps=0).agency(s) for s in (9, 10)] == [0, 1]


def test_steps_are_shared_as_agency_says():
    """A step of the cloned policy stays within its noise and leaves no plan."""
    agent = learning(noise_std=0.02, centred=False)
    agent.step = 35
    torch.manual_seed(0)
    action, plan = acted(agent, 2000)
    obs = random_obs(INTERFACE, np.random.default_rng(0))
    batch = to_tensors([obs], torch.device("cpu"))
    alone, _ = agent.cloned.step(
        batch, Previous.nothing(1, INTERFACE.action_size), agent.cloned.initial(1)
    )
    planned = plan.abs().amax(dim=(1, 2)) > 0
    assert float(planned.float().mean()) == pytest.approx(0.25, abs=0.04)
    near = (action - alone).abs().amax(dim=1) <= 3 * 0.02 + 1e-6
    assert near[~planned].all()
    assert not near[planned].all()


@pytest.mark.parametrize(("step", "planned"), [(0, False), (110, True)])
def test_at_its_ends_one_of_them_acts_alone(step, planned):
    agent = learning()
    agent.step = step
    _, plan = acted(agent, 50)
    assert (plan.abs().amax(dim=(1, 2)) > 0).tolist() == [planned] * 50


def test_another_process_acts_as_this_one():
    agent, other = learning(), agent_of(seed=1)
    agent.step = 60
    actor = other.actor()
    actor.load_state_dict(agent.actor().state_dict())
    obs = random_obs(INTERFACE, np.random.default_rng(0))
    batch = to_tensors([obs] * 8, torch.device("cpu"))
    previous = Previous.nothing(8, INTERFACE.action_size)
    found = []
    for one in (agent.actor(), actor):
        torch.manual_seed(3)
        found.append(one.step(batch, previous, one.initial(8))[0])
    torch.testing.assert_close(*found, rtol=0, atol=0)


# ------------------------------------------------------------------------- learning


def test_every_actor_has_a_target_of_its_own():
    agent, segment = learning(noise_std=0.0), segment_of(4, seed=9)
    segment.terminated[0, 0] = True
    after = torch.randn(4, 3, 16)
    found = agent._td_target(after, segment).detach()
    model, target = agent._policy.model, agent.critic_target
    for actor in range(ACTORS):
        a = torch.tanh(model.pi(after.flatten(0, 1))[actor]).detach()
        q = model.value.mean(target(torch.cat((after.flatten(0, 1), a), dim=-1)))
        least = q[2 * actor : 2 * actor + 2].amin(dim=0).view(4, 3)
        wanted = segment.reward + GAMMA * (1.0 - segment.terminated.float()) * least
        for critic in (2 * actor, 2 * actor + 1):
            torch.testing.assert_close(found[critic], wanted, rtol=1e-4, atol=1e-5)


def test_every_weight_that_acts_belongs_to_one_optimiser_and_moves():
    agent = cloned()
    agent.step = 11
    agent._begin()
    owned = optimised(agent)
    assert len(owned) == len(set(owned))
    before = parameters(agent._policy)
    for i in range(4):
        agent.update(segment_of(seed=i))
    still = [n for n, x in parameters(agent._policy).items() if torch.equal(x, before[n])]
    assert still == []
    assert {id(p) for p in agent._policy.parameters()} <= set(owned)


def test_actors_learn_what_their_own_critics_reward():
    agent = learning(lr=3e-3)
    latents, mask = torch.randn(8, 4, 16).softmax(-1), torch.ones(8, 3)

    def worth() -> float:
        model = agent._policy.model
        z = latents.flatten(0, 1)
        with torch.no_grad():
            return float(model.own_q(model.critics, z, model.actors(z).action()).amin(1).mean())

    before = worth()
    for _ in range(30):
        agent._update_prior(latents, mask)
    assert worth() > before


def test_a_run_is_resumed_where_it_was():
    agent, other = learning(), agent_of(seed=4, lr=3e-3)
    agent.step = other.step = 40
    other.load_state_dict(copy.deepcopy(agent.state_dict()))
    assert other.exploration() == agent.exploration()
    for one in (agent, other):
        torch.manual_seed(0)
        one.update(segment_of(seed=5))
    ours, theirs = parameters(agent._policy), parameters(other._policy)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=0)


def test_steps_below_zero_are_refused():
    with pytest.raises(ConfigError, match="handover_after=-1"):
        MoDemConfig(handover_after=-1)

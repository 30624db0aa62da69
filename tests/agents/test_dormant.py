"""Dormant neurons, perturbation, and what DrM does with them."""

import numpy as np
import pytest
import torch
from torch import nn

from robot_rl.agents.dormant import DormantMeter, perturb_, perturbation_factor
from robot_rl.agents.drm import DrMConfig, expectile_loss
from robot_rl.agents.mentor import MentorConfig, TopSet
from robot_rl.agents.schedules import LinearSchedule
from tests.agents.tiny import make_agent, parameters
from tests.conftest import make_interface, random_batch

INTERFACE = make_interface()


def test_dormant_neurons_are_counted():
    layer = nn.Linear(2, 4)
    meter = DormantMeter(nn.Sequential(layer), tau=0.1)
    assert meter.ratio() == 1.0
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.01, 0.0]]))
        layer.bias.zero_()
    layer(torch.tensor([[1.0, 1.0], [-1.0, 3.0]]))
    # Mean activity by neuron: 1, 2, 0, 0.01; the layer's mean 0.7525; threshold 0.075.
    assert float(meter.ratio()) == pytest.approx(2 / 4)


def test_passes_without_gradient_are_not_counted():
    layer = nn.Linear(2, 2)
    meter = DormantMeter(nn.Sequential(layer), tau=0.1)
    with torch.no_grad():
        layer(torch.zeros(1, 2))
    assert meter.ratio() == 1.0


@pytest.mark.parametrize(
    ("beta", "alpha"), [(0.0, 0.9), (0.1, 0.8), (0.3, 0.4), (0.45, 0.2), (1.0, 0.2)]
)
def test_perturbation_factor(beta, alpha):
    assert perturbation_factor(beta, 0.2, 0.9) == pytest.approx(alpha)


def test_alpha_one_is_the_identity_and_zero_replaces():
    layer = nn.Linear(3, 3)
    before = parameters(layer)
    fresh = {name: torch.full_like(p, 7.0) for name, p in layer.named_parameters()}
    perturb_(layer, fresh, alpha=1.0)
    assert all(torch.equal(v, before[k]) for k, v in parameters(layer).items())
    perturb_(layer, fresh, alpha=0.25)
    for name, value in parameters(layer).items():
        torch.testing.assert_close(value, 0.25 * before[name] + 0.75 * 7.0)


@pytest.mark.parametrize("config", [DrMConfig, MentorConfig])
def test_perturbation_reaches_every_weight_the_paper_names(config):
    agent = make_agent(config, INTERFACE, actor="moe")
    agent.update(random_batch(INTERFACE))
    if config is MentorConfig:
        for score in (1.0, 2.0):
            agent.end_episode(score)
            agent.update(random_batch(INTERFACE))
    named = {**agent.perturbed(), "critic_target": agent.critic_target}
    assert set(named) == {"encoder", "actor", "critic", "critic_target", "value"}
    before = {name: parameters(module) for name, module in named.items()}
    agent.perturb(alpha=0.5)
    for name, module in named.items():
        for key, value in parameters(module).items():
            if (key.endswith("weight") and value.dim() > 1) or "experts.w" in key:
                assert not torch.equal(value, before[name][key]), f"{name}.{key}"


def test_target_critic_keeps_its_distance_scaled_by_alpha():
    agent = make_agent(DrMConfig, INTERFACE, lr=1e-2)
    agent.update(random_batch(INTERFACE))
    gap = {k: v - parameters(agent.critic_target)[k] for k, v in parameters(agent.critic).items()}
    agent.perturb(alpha=0.3)
    after = parameters(agent.critic_target)
    for key, value in parameters(agent.critic).items():
        torch.testing.assert_close(value - after[key], 0.3 * gap[key], atol=1e-6, rtol=1e-4)


def test_perturbation_forgets_the_optimisers_moments():
    agent = make_agent(DrMConfig, INTERFACE)
    agent.update(random_batch(INTERFACE))
    assert all(optimizer.state for optimizer in agent.optimizers().values())
    agent.perturb(alpha=0.5)
    assert not any(optimizer.state for optimizer in agent.optimizers().values())


def test_perturbation_happens_on_schedule():
    agent = make_agent(DrMConfig, INTERFACE, perturb_every_updates=3, alpha_max=0.5, lr=1e-6)
    moved = []
    for _ in range(6):
        before = parameters(agent.critic)["q1.0.0.weight"]
        agent.update(random_batch(INTERFACE))
        moved.append(bool((parameters(agent.critic)["q1.0.0.weight"] - before).norm() > 0.1))
    assert moved == [False, False, True, False, False, True]


def test_exploration_is_strong_while_asleep_and_decays_once_awake():
    schedule = LinearSchedule(start=1.0, end=0.1, steps=100)
    agent = make_agent(DrMConfig, INTERFACE, std=schedule)
    assert agent.beta == 1.0
    assert agent.exploration_std() == pytest.approx(1 / (1 + np.exp(-8)))
    agent.beta, agent.awake_step, agent.step = 0.0, 200, 200
    assert agent.exploration_std() == pytest.approx(1.0)
    agent.step = 1000
    assert agent.exploration_std() == pytest.approx(1 / (1 + np.exp(2)))  # 0.119 > 0.1


def test_lambda_opens_once_awake():
    agent = make_agent(DrMConfig, INTERFACE)
    agent.beta = 0.5
    assert agent.exploitation_lambda() < 1e-5
    agent.beta = 0.2
    assert agent.exploitation_lambda() == pytest.approx(0.3)
    agent.beta = 0.0
    assert agent.exploitation_lambda() == pytest.approx(0.6, abs=1e-4)


def test_expectile_regression_finds_the_expectile():
    samples = torch.tensor([0.0, 1.0])
    v = torch.tensor(0.5, requires_grad=True)
    optimizer = torch.optim.SGD([v], lr=0.5)
    for _ in range(300):
        optimizer.zero_grad()
        expectile_loss(samples - v, 0.9).backward()
        optimizer.step()
    # 0.9 (1 - v) = 0.1 v  =>  v = 0.9
    assert float(v.detach()) == pytest.approx(0.9, abs=1e-3)


def test_top_set_keeps_the_best_and_draws_from_their_spread():
    top = TopSet(size=2)
    for score in (3.0, 1.0, 5.0, 4.0):
        if top.admits(score):
            top.add(score, {"w": torch.full((2000,), score)})
    assert [score for score, _ in top.members] == [4.0, 5.0]
    assert not top.admits(3.9)
    torch.manual_seed(0)
    drawn = top.draw("w")
    assert float(drawn.mean()) == pytest.approx(4.5, abs=0.1)
    assert float(drawn.std()) == pytest.approx(2**-0.5, rel=0.1)


def test_mentor_without_spread_draws_fresh_weights():
    agent = make_agent(MentorConfig, INTERFACE, actor="moe")
    agent.end_episode(1.0)
    agent.perturb(alpha=0.5)
    assert all(torch.isfinite(p).all() for p in agent.pi.parameters())


def test_mentor_state_holds_the_top_set():
    a = make_agent(MentorConfig, INTERFACE, actor="moe")
    a.end_episode(2.0)
    b = make_agent(MentorConfig, INTERFACE, actor="moe", seed=5)
    b.load_state_dict(a.state_dict())
    assert b.top_set.members[0][0] == 2.0
    assert b.beta == a.beta

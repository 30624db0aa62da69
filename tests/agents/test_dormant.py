"""Dormant neurons, perturbation, and what DrM does with them."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from robot_rl.agents.dormant import DormantMeter, perturb_, perturbation_factor
from robot_rl.agents.drm import DrMConfig
from robot_rl.agents.mentor import MentorConfig, TopSet
from robot_rl.agents.schedules import LinearSchedule
from robot_rl.envs.cameras import CameraSpec
from robot_rl.networks.actor_critic import Actor, expectile_loss
from robot_rl.networks.encoders import Encoder
from robot_rl.networks.layers import hidden_layer, orthogonal_init
from robot_rl.networks.moe import MoE, MoEConfig
from sim.registry import make_env
from tests.agents.tiny import make_agent, parameters
from tests.conftest import make_interface, random_batch

INTERFACE = make_interface()


# Over the two rows of `BATCH` the four neurons read (1, -1), (1, 3), (-2, -2), (0.01, -0.01).
WEIGHT = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.01, 0.0]])
BIAS = torch.tensor([0.0, 0.0, -2.0, 0.0])
BATCH = torch.tensor([[1.0, 1.0], [-1.0, 3.0]])


def set_weights(layer: nn.Linear) -> None:
    with torch.no_grad():
        layer.weight.copy_(WEIGHT)
        layer.bias.copy_(BIAS)


def test_a_layer_without_relu_is_scored_as_it_is():
    layer = nn.Linear(2, 4)
    meter = DormantMeter(nn.Sequential(layer, nn.Tanh()), tau=0.1)
    assert meter.ratio() == 1.0
    set_weights(layer)
    layer(BATCH)
    # Mean activity by neuron: 1, 2, 2, 0.01; the layer's mean 1.25; threshold 0.125.
    assert float(meter.ratio()) == pytest.approx(1 / 4)
    assert meter.neurons == 4


def test_a_hidden_layer_is_scored_behind_its_relu():
    """The third neuron is dead, and has the largest activity of all before the ReLU."""
    hidden = hidden_layer(2, 4, layer_norm=False)
    meter = DormantMeter(hidden, tau=0.1)
    set_weights(hidden[0])
    hidden(BATCH)
    # 0.5, 2, 0, 0.005; mean 0.626; threshold 0.063.
    assert float(meter.ratio()) == pytest.approx(2 / 4)
    assert meter.neurons == 4


def test_a_norm_stands_between_a_layer_and_its_relu():
    """Normalised: (.53, .53, -1.63, -.33) at the first row, where every input is 1 or less."""
    hidden = hidden_layer(2, 4, layer_norm=True)
    meter = DormantMeter(hidden, tau=0.7)
    set_weights(hidden[0])
    row = hidden(BATCH[:1])
    x = torch.tensor([1.0, 1.0, -2.0, 0.01])
    wanted = ((x - x.mean()) / x.std(correction=0)).clamp(min=0)
    torch.testing.assert_close(row[0], wanted, atol=1e-4, rtol=1e-4)
    # Behind the ReLU .81, .81, 0, .0: the last neuron has 0.0025 of 1.
    assert float(meter.ratio()) == pytest.approx(2 / 4)


def test_every_expert_counts_on_every_row():
    torch.manual_seed(0)
    moe = MoE(3, MoEConfig(num_experts=4, top_k=1, expert_dim=5, gate_dim=6, sparse=True))
    meter = DormantMeter(moe, tau=0.1)
    with torch.no_grad():
        moe.experts.b1[2] = -100.0  # expert 2 is dead: its hidden units, and with them its outputs
        moe.experts.b1[3, 0] = -100.0  # and one unit of expert 3
    moe(torch.randn(64, 3))
    router, experts = 6 + 4, 4 * (5 + 3)
    assert meter.neurons == router + experts
    alive = DormantMeter(moe.router, tau=0.1)
    moe.router(torch.randn(64, 3))
    in_router = round(float(alive.ratio()) * router)
    assert float(meter.ratio()) * meter.neurons == pytest.approx(5 + 3 + 1 + in_router)


@pytest.mark.parametrize(
    ("moe", "neurons", "low", "high"),
    [(None, 2099, 0.40, 0.48), (MoEConfig(), 21_827, 0.08, 0.13)],
)
def test_a_fresh_actor_of_the_papers_size_sleeps_as_published(moe, neurons, low, high):
    """Before the ReLU it reads .000; DrM's released actor .45 on the same frames of cartpole."""
    torch.manual_seed(0)
    interface = make_interface(proprio=0)
    camera = dataclasses.replace(interface.cameras[0], height=84, width=84)
    interface = dataclasses.replace(interface, cameras=(camera,), actions=interface.actions[:1])
    encoder = Encoder(interface, 3, "paper").apply(orthogonal_init)
    actor = Actor(encoder, 1, 50, 1024, moe=moe)
    meter = DormantMeter(actor, tau=0.025)
    with torch.no_grad():
        features = encoder({camera.key: swinging_pole(16)})
    actor(features)
    assert meter.neurons == neurons
    assert low < float(meter.ratio()) < high


def swinging_pole(count: int) -> torch.Tensor:
    """uint8 [count, 3, 3, 84, 84] of a random policy."""
    camera = CameraSpec(name="0", height=84, width=84)
    environment = make_env("dmc/cartpole_swingup", (camera,), quality="default", action_repeat=2)
    rng, frames = np.random.default_rng(0), []
    environment.reset(seed=0)
    for _ in range(3 * count):
        obs = environment.step(rng.uniform(-1, 1, 1).astype(np.float32))[0]
        frames.append(obs["image/0"].transpose(2, 0, 1))
    environment.close()
    return torch.from_numpy(np.stack(frames)).unflatten(0, (count, 3))


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
        before = parameters(agent.critic)["net.linear.0.weight"]
        agent.update(random_batch(INTERFACE))
        moved.append(bool((parameters(agent.critic)["net.linear.0.weight"] - before).norm() > 0.1))
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


def test_mentor_acts_by_the_dormant_ratio_alone():
    agent = make_agent(MentorConfig, INTERFACE, std=LinearSchedule(start=1.0, end=0.1, steps=100))
    agent.beta, agent.awake_step, agent.step = 0.1, 200, 200
    assert agent.exploration_std() == pytest.approx(0.8 / (1 + np.exp(1)))  # .215
    both = make_agent(MentorConfig, INTERFACE, schedule_once_awake=True)
    both.beta, both.awake_step = 0.1, 0
    assert both.exploration_std() == pytest.approx(1.0)


def test_the_target_reads_v_after_its_update():
    targets = {}
    for lr in (0.0, 1.0):
        agent = make_agent(DrMConfig, INTERFACE)
        agent.beta = 0.0  # lambda .6
        agent.value_opt.param_groups[0]["lr"] = lr
        torch.manual_seed(0)
        targets[lr] = float(agent.update(random_batch(INTERFACE))["target_v"])
    assert abs(targets[1.0] - targets[0.0]) > 0.1


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

"""Mechanisms of DrQ-v2."""

import copy

import numpy as np
import pytest
import torch

from benchmarks.textbook import Textbook
from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.agents.schedules import LinearSchedule
from robot_rl.networks.layers import squashed_noise
from robot_rl.networks.policy import PolicyMemory
from robot_rl.networks.stacked import NetworkConfig
from tests.agents.tiny import make_agent, parameters
from tests.conftest import make_interface, random_batch, random_obs

INTERFACE = make_interface(cameras=2)


def test_targets_move_by_tau():
    agent = make_agent(DrQV2Config, INTERFACE, tau=0.25)
    before = parameters(agent.critic_target)
    agent.update(random_batch(INTERFACE))
    for name, after in agent.critic_target.named_parameters():
        online = dict(agent.critic.named_parameters())[name]
        torch.testing.assert_close(after, 0.75 * before[name] + 0.25 * online)


def test_target_is_the_n_step_bellman_target():
    agent = make_agent(DrQV2Config, INTERFACE)
    batch = random_batch(INTERFACE).map(torch.from_numpy)
    torch.manual_seed(0)
    with torch.no_grad():
        h = agent.encoder(batch.next_obs)
        value = agent._next_value(h)
        torch.manual_seed(0)
        mu = agent.pi(h).mu
        noise = agent.exploration_std() * torch.randn_like(mu)
        action = squashed_noise(mu, noise.clamp(-0.3, 0.3))
        q1, q2 = agent.critic_target.q(h, action)
    torch.testing.assert_close(value, torch.minimum(q1, q2))


def test_exploration_noise_follows_itself_within_an_episode_and_not_beyond():
    """Lag-one correlation phi, variance one; a first step draws anew."""
    agent = make_agent(DrQV2Config, INTERFACE, noise_correlation=0.7)
    actor, n = agent.actor(), 4000
    torch.manual_seed(0)
    old = torch.randn(n, INTERFACE.action_size)
    going_on, fresh = torch.zeros(n, dtype=torch.bool), torch.ones(n, dtype=torch.bool)
    assert correlation(old, actor._noise(old, going_on)) == pytest.approx(0.7, abs=0.03)
    assert actor._noise(old, going_on).std() == pytest.approx(1.0, abs=0.03)
    assert correlation(old, actor._noise(old, fresh)) == pytest.approx(0.0, abs=0.05)


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1])


def test_a_memory_of_noise_is_kept_by_whoever_collects_and_is_no_policy_s():
    agent = make_agent(DrQV2Config, INTERFACE, noise_correlation=0.7)
    memory = PolicyMemory(agent.actor(), 1)
    obs = random_obs(INTERFACE, np.random.default_rng(0))
    torch.manual_seed(0)
    seen = torch.from_numpy(np.concatenate([memory.act([obs]) for _ in range(400)]))
    assert correlation(seen[:-1], seen[1:]) > 0.4  # the box takes some of 0.7
    assert "noise" not in agent.policy().initial(1)


def test_losses_are_those_of_plain_networks_written_as_in_a_textbook():
    """Two networks of their own, bilinear resampling for the shift: five updates stay together."""
    face = make_interface(proprio=0, size=48)
    network = NetworkConfig(encoder="paper", frame_stack=2, hidden_dim=32, layer_norm=False)
    agent = make_agent(DrQV2Config, face, network=network, lr=1e-3, shift_pad=2)
    book = Textbook(agent)
    for seed in range(5):
        batch = random_batch(face, seed=seed)
        torch.manual_seed(seed)
        critic_loss, actor_loss = book.update(batch)
        torch.manual_seed(seed)
        ours = agent.update(batch)
        assert float(ours["critic_loss"]) == pytest.approx(critic_loss, rel=2e-3)
        assert float(ours["actor_loss"]) == pytest.approx(actor_loss, rel=2e-3, abs=1e-4)


def test_the_critic_learns_a_constant_reward():
    agent = make_agent(DrQV2Config, INTERFACE, lr=1e-3)
    batch = random_batch(INTERFACE, size=16)
    batch.discount[:] = 0.0
    losses = [float(agent.update(batch)["critic_loss"]) for _ in range(60)]
    assert losses[-1] < 0.1 * losses[0]


def test_the_actor_climbs_its_critic_and_a_wrong_sign_is_caught():
    agent = make_agent(DrQV2Config, INTERFACE, lr=1e-3)
    batch = random_batch(INTERFACE, size=16).map(torch.from_numpy)
    h = agent.encoder(batch.obs).detach()

    def value() -> float:
        with torch.no_grad():
            return float(agent.critic.q(h, agent.pi(h).mu).amin(dim=0).mean())

    before = value()
    for _ in range(30):
        agent._update_actor(h, h, batch)
    assert value() > before + 0.01


def test_the_actor_update_leaves_critic_and_encoder_alone():
    agent = make_agent(DrQV2Config, INTERFACE)
    batch = random_batch(INTERFACE).map(torch.from_numpy)
    frozen = [(module, parameters(module)) for module in (agent.critic, agent.encoder)]
    h = agent.encoder(batch.obs).detach()
    agent._update_actor(h, h, batch)
    for module, before in frozen:
        for key, value in parameters(module).items():
            assert torch.equal(value, before[key]), key
    assert all(p.requires_grad for p in agent.critic.parameters())


def test_every_trained_module_changes_in_an_update():
    agent = make_agent(DrQV2Config, INTERFACE)
    before = {name: parameters(module) for name, module in agent.modules().items()}
    agent.update(random_batch(INTERFACE))
    for name, module in agent.modules().items():
        changed = [not torch.equal(v, before[name][k]) for k, v in parameters(module).items()]
        assert sum(changed) > 0.5 * len(changed), name


def test_exploration_noise_follows_the_schedule():
    agent = make_agent(DrQV2Config, INTERFACE, std=LinearSchedule(start=1.0, end=0.2, steps=100))
    stds = []
    for step in (0, 50, 100, 1000):
        agent.step = step
        stds.append(agent.exploration_std())
    assert stds == pytest.approx([1.0, 0.6, 0.2, 0.2])


def test_evaluation_follows_the_running_average_of_the_policy():
    agent = make_agent(DrQV2Config, INTERFACE, policy_ema_decay=0.75, lr=1e-2)
    before = parameters(agent.policy().actor)
    agent.update(random_batch(INTERFACE))
    online = parameters(agent.pi)
    for name, value in parameters(agent.policy().actor).items():
        torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * online[name])


def test_acting_is_deterministic_in_evaluation_and_noisy_in_training():
    agent = make_agent(DrQV2Config, INTERFACE)
    obs = [random_obs(INTERFACE, np.random.default_rng(i)) for i in range(2)]
    first, again, noisy = (
        PolicyMemory(acting, 2).act(obs)
        for acting in (agent.policy(), agent.policy(), agent.actor())
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == (2, 2)
    assert first.dtype == np.float32
    assert np.abs(noisy - first).max() > 0.05
    assert np.abs(noisy).max() < 1


def test_an_actor_in_another_process_explores_as_its_agent_does():
    agent = make_agent(DrQV2Config, INTERFACE, std=LinearSchedule(steps=100))
    agent.step = 50
    agent.update(random_batch(INTERFACE))
    elsewhere = make_agent(DrQV2Config, INTERFACE, seed=7).actor()
    elsewhere.load_state_dict(copy.deepcopy(agent.actor().state_dict()))
    obs = [random_obs(INTERFACE, np.random.default_rng(0))]
    actions = []
    for actor in (agent.actor(), elsewhere):
        torch.manual_seed(3)
        actions.append(PolicyMemory(actor, 1).act(obs))
    np.testing.assert_array_equal(*actions)


def test_state_round_trip_continues_identically():
    a = make_agent(DrQV2Config, INTERFACE)
    batch = random_batch(INTERFACE)
    a.update(batch)
    b = make_agent(DrQV2Config, INTERFACE, seed=9)
    b.load_state_dict(copy.deepcopy(a.state_dict()))
    for agent in (a, b):
        torch.manual_seed(4)
        agent.update(batch)
    for key, value in parameters(a.pi).items():
        assert torch.equal(value, parameters(b.pi)[key])


def test_compiled_modules_give_the_same_losses():
    plain, compiled = (make_agent(DrQV2Config, INTERFACE) for _ in range(2))
    compiled.compile(backend="eager")
    batch = random_batch(INTERFACE)
    losses = []
    for agent in (plain, compiled):
        torch.manual_seed(2)
        losses.append({k: float(v) for k, v in agent.update(batch).items()})
    assert losses[0] == pytest.approx(losses[1], rel=1e-4, abs=1e-5)
    assert set(plain.encoder.state_dict()) == set(compiled.encoder.state_dict())

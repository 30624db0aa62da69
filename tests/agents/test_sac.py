"""Mechanisms of SAC, RLPD, RLIF and HIL-SERL."""

import numpy as np
import pytest
import torch

from robot_rl.agents.hil_serl import HilSerlConfig
from robot_rl.agents.rlif import RLIFConfig
from robot_rl.agents.rlpd import RLPDConfig
from robot_rl.agents.sac import SACConfig, sample
from robot_rl.errors import ConfigError
from robot_rl.networks.actor_critic import ActorOutput
from robot_rl.networks.ensemble import EnsembleMLP
from robot_rl.networks.gripper import nearest_choice
from robot_rl.networks.layers import gaussian_log_prob
from robot_rl.networks.policy import PolicyMemory
from robot_rl.types import PROPRIO
from tests.agents.tiny import make_agent, parameters
from tests.conftest import make_interface, random_batch, random_obs
from tests.interventions.served import arm_interface

INTERFACE = make_interface(cameras=2)


def batch_of(interface=INTERFACE, size: int = 16):
    return random_batch(interface, size=size).map(torch.from_numpy)


def test_the_density_is_that_of_a_squashed_gaussian():
    mean, log_std = torch.tensor([[0.3]]), torch.tensor([[-0.7]])
    a = torch.linspace(-0.999, 0.999, 4001).unsqueeze(1)
    density = gaussian_log_prob(torch.atanh(a), mean, log_std).exp()
    assert float(torch.trapezoid(density, a.squeeze(1))) == pytest.approx(1.0, abs=2e-3)


def test_samples_have_the_spread_that_the_actor_says():
    torch.manual_seed(0)
    shape = (20_000, 2)
    out = ActorOutput(torch.zeros(shape), torch.zeros(shape), None, torch.full(shape, -2.0))
    action, _ = sample(out)
    assert float(torch.atanh(action).std()) == pytest.approx(np.exp(-2.0), rel=0.02)


def test_the_target_is_the_minimum_of_the_drawn_members():
    agent = make_agent(RLPDConfig, INTERFACE, ensemble_size=5, subset_size=2)
    batch = batch_of()
    with torch.no_grad():
        h = agent.encoder(batch.next_obs)
        torch.manual_seed(3)
        value = agent._next_value(h)
        torch.manual_seed(3)
        action, _ = sample(agent.pi(h))
        drawn = torch.randperm(5)[:2]
        q = agent.critic_target.q(h, action)
    assert q.shape == (5, 16)
    torch.testing.assert_close(value, q[drawn].amin(dim=0))


def test_entropy_is_in_the_target_where_asked():
    batch = batch_of()
    values = []
    for entropy in (False, True):
        agent = make_agent(SACConfig, INTERFACE, temperature_init=0.5, entropy_in_target=entropy)
        with torch.no_grad():
            h = agent.encoder(batch.next_obs)
            torch.manual_seed(3)
            values.append(agent._next_value(h))
            torch.manual_seed(3)
            log_prob = sample(agent.pi(h))[1]
    torch.testing.assert_close(values[1], values[0] - 0.5 * log_prob)


def test_members_are_independent_networks():
    torch.manual_seed(0)
    net = EnsembleMLP(3, 4, 8, 1, layer_norm=True)
    x = torch.randn(5, 4)
    everything = net(x)
    torch.testing.assert_close(net(x, torch.tensor([2, 0])), everything[[2, 0]])
    assert not torch.allclose(everything[0], everything[1])
    net.linear[0].weight.data[1] = 0.0
    torch.testing.assert_close(net(x)[0], everything[0])


def test_the_critic_learns_a_constant_reward_and_the_actor_climbs_it():
    agent = make_agent(RLPDConfig, INTERFACE, lr=1e-3, ensemble_size=3)
    batch = random_batch(INTERFACE, size=16)
    batch.discount[:] = 0.0
    losses = [float(agent.update(batch)["critic_loss"]) for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]
    batch = batch.map(torch.from_numpy)
    h = agent.encoder(batch.obs).detach()

    def value() -> float:
        with torch.no_grad():
            return float(agent.critic.q(h, agent.pi(h).mu).mean())

    before = value()
    for _ in range(30):
        agent._update_actor(h, h, batch)
    assert value() > before


def test_the_actor_learns_every_other_update_and_the_encoder_at_each():
    agent = make_agent(RLPDConfig, INTERFACE, actor_every_updates=2)
    for moves in (False, True, False, True):
        actor, encoder = parameters(agent.pi), parameters(agent.encoder)
        agent.update(random_batch(INTERFACE))
        changed = any(not torch.equal(v, actor[k]) for k, v in parameters(agent.pi).items())
        assert changed == moves
        assert any(not torch.equal(v, encoder[k]) for k, v in parameters(agent.encoder).items())


def test_the_temperature_goes_where_the_entropy_is_wanted():
    for target, rises in ((+5.0, True), (-50.0, False)):
        agent = make_agent(SACConfig, INTERFACE, target_entropy_per_action=target, lr=1e-2)
        before = float(agent.temperature())
        for _ in range(5):
            agent.update(random_batch(INTERFACE))
        assert (float(agent.temperature()) > before) == rises


def test_rlpd_and_rlif_are_what_their_papers_set():
    assert (RLPDConfig().taught_fraction, RLPDConfig().ensemble_size) == (0.5, 10)
    assert RLPDConfig().network.layer_norm
    assert RLIFConfig().reward == "takeover"
    assert RLPDConfig().reward == "task"


def test_the_judge_is_the_mean_of_the_ensemble():
    agent = make_agent(RLPDConfig, INTERFACE, frame_stack=1)
    obs = random_obs(INTERFACE, np.random.default_rng(0))
    action = np.array([0.1, -0.4], np.float32)
    tensors = {k: torch.from_numpy(v) for k, v in obs.items()}
    batch = {
        k: v[None] if k == PROPRIO else v.permute(2, 0, 1)[None, None] for k, v in tensors.items()
    }
    with torch.no_grad():
        q = agent.critic.q(agent.encoder(batch), torch.from_numpy(action)[None])
    assert agent.judge(obs, action) == pytest.approx(float(q.mean()), rel=1e-4)


def test_a_subset_is_not_larger_than_the_ensemble():
    with pytest.raises(ConfigError, match="subset_size is 3"):
        SACConfig(ensemble_size=2, subset_size=3)


# --------------------------------------------------------------------- HIL-SERL

ARM = arm_interface()


def gripper_batch(command: float):
    batch = random_batch(ARM, size=8).map(torch.from_numpy)
    batch.action[:, -1] = command
    batch.discount[:] = 0.0
    return batch


def test_commands_are_sorted_into_three_choices():
    assert nearest_choice(torch.tensor([-1.0, -0.4, -0.2, 0.0, 0.3, 0.5, 1.0])).tolist() == [
        0,
        0,
        1,
        1,
        1,
        2,
        2,
    ]


def test_the_penalty_is_paid_for_what_tells_the_gripper_otherwise_in_the_rewards_scale():
    agent = make_agent(HilSerlConfig, ARM, grasp_penalty=0.02, reward_scale=10.0)
    batch = gripper_batch(1.0)
    torch.testing.assert_close(agent._gripper_reward(batch), batch.reward)
    batch.gripper_changes[:] = 1.5
    torch.testing.assert_close(agent._gripper_reward(batch), batch.reward - 10 * 0.02 * 1.5)


def test_every_update_of_the_critic_teaches_the_gripper():
    agent = make_agent(HilSerlConfig, ARM)
    for _ in range(3):
        before = parameters(agent.pi.gripper)
        agent.update(random_batch(ARM))
        assert any(not torch.equal(v, before[k]) for k, v in parameters(agent.pi.gripper).items())


def test_the_gripper_learns_the_command_that_pays():
    agent = make_agent(HilSerlConfig, ARM, lr=3e-3, grasp_penalty=0.0, shift_pad=0)
    good, bad = gripper_batch(1.0), gripper_batch(-1.0)
    good.reward[:], bad.reward[:] = 1.0, 0.0
    for _ in range(60):
        for batch in (good, bad):
            agent._update(batch)
    with torch.no_grad():
        mu = agent.pi(agent.encoder(good.obs)).mu
    assert (mu[:, -1] != -1.0).all()
    assert mu.shape == (8, 4)


def test_the_double_dqn_values_by_the_target_what_the_critic_chose():
    agent = make_agent(HilSerlConfig, ARM)
    batch = gripper_batch(1.0)
    with torch.no_grad():
        h = agent.encoder(batch.next_obs)
        chosen = agent.pi.gripper(h).mean(0).argmax(-1)
        wanted = agent.gripper_target(h)[:, torch.arange(8), chosen].amin(0)
        torch.testing.assert_close(agent._next_gripper_value(h), wanted)


def test_the_arm_critics_do_not_see_the_gripper():
    agent = make_agent(HilSerlConfig, ARM)
    assert agent.critic.net.linear[0].weight.shape[1] == agent.critic.trunk.out_dim + 3
    actions = PolicyMemory(agent.actor(), 1).act([random_obs(ARM, np.random.default_rng(0))])
    assert actions.shape == (1, 4)
    assert actions[0, 3] in (-1.0, 0.0, 1.0)


def test_a_task_without_a_gripper_is_refused():
    with pytest.raises(ConfigError, match="hil_serl commands a gripper"):
        make_agent(HilSerlConfig, INTERFACE)

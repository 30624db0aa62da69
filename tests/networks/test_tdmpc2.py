"""The latent model of TD-MPC2 and the policy that plans in it."""

import numpy as np
import pytest
import torch

from robot_rl.errors import ConfigError
from robot_rl.networks.latent import SimNorm
from robot_rl.networks.policy import PolicyMemory, Previous, to_tensors
from robot_rl.networks.return_scale import ReturnScale
from robot_rl.networks.tdmpc2 import PLAN, LatentModel, LatentPolicy, ModelConfig
from robot_rl.networks.values import ValueConfig, symexp, symlog
from tests.conftest import make_interface, random_obs
from tests.networks.planners import PLANNER, small_config, small_planner

INTERFACE = make_interface(cameras=2)


def policy(**settings) -> LatentPolicy:
    return small_planner(INTERFACE, **settings)


def episode(steps: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return [random_obs(INTERFACE, rng) for _ in range(steps)]


def test_every_group_of_a_latent_sums_to_one():
    x = torch.randn(5, 12)
    y = SimNorm(4)(x)
    torch.testing.assert_close(y.view(5, 3, 4).sum(-1), torch.ones(5, 3))
    torch.testing.assert_close(y[0, 4:8], x[0, 4:8].softmax(-1))


def test_latents_of_pixels_and_proprio_lie_on_simplices():
    made = policy()
    seen = {k: x.unsqueeze(1).expand(-1, 2, -1, -1, -1) if x.ndim == 4 else x for k, x in planar()}
    z = made.encode(seen)
    assert z.shape == (2, 16)
    torch.testing.assert_close(z.view(2, 4, 4).sum(-1), torch.ones(2, 4))


def planar():
    batch = to_tensors(episode(2), torch.device("cpu"))
    return [(k, x.permute(0, 3, 1, 2) if x.ndim == 4 else x) for k, x in batch.items()]


def test_symlog_and_symexp_undo_each_other():
    x = torch.tensor([-300.0, -1.0, 0.0, 0.5, 2000.0])
    torch.testing.assert_close(symexp(symlog(x)), x)
    assert float(symlog(torch.tensor(np.e - 1.0))) == pytest.approx(1.0)


def test_returns_are_read_back_from_bins_in_symlog():
    value = LatentModel(small_config(), 2).value
    y = torch.tensor([-40.0, 0.0, 3.7, 900.0])
    torch.testing.assert_close(value.mean(value.target(y).log()), y, rtol=1e-4, atol=1e-4)
    assert float(value.outside(torch.tensor([0.0, 1e6]))) == 0.5


def test_worth_is_the_rewards_on_the_way_and_the_value_at_the_end():
    model = policy().model
    z, actions = torch.rand(5, 16).view(5, 4, 4).softmax(-1).flatten(1), torch.rand(5, 3, 2) - 0.5
    with torch.no_grad():
        total, at = torch.zeros(5), z
        for t in range(3):
            total += 0.9**t * model.value.mean(model.reward(at, actions[:, t]))
            at = model.next(at, actions[:, t])
        last = model.value.mean(model.q(at, torch.tanh(model.prior(at).mean))).mean(0)
        torch.testing.assert_close(model.worth(z, actions, 0.9), total + 0.9**3 * last)
        torch.testing.assert_close(model.rollout(z, actions)[:, -1], at)


def test_a_plan_does_not_earn_after_an_end_that_the_model_foresees():
    model = policy(terminations=True).model
    z, actions = torch.rand(2, 16), torch.zeros(2, 3, 2)
    with torch.no_grad():
        for parameter in model.ends.parameters():
            parameter.zero_()
        model.ends[-1].bias.fill_(20.0)  # every step is the last
        once = model.value.mean(model.reward(z, actions[:, 0]))
        torch.testing.assert_close(model.worth(z, actions, 0.9), once, rtol=1e-4, atol=1e-5)


def test_the_prior_is_bounded_and_its_entropy_that_of_a_gaussian():
    prior = policy().model.prior(torch.rand(4, 16))
    assert prior.log_std.min() >= -10
    assert prior.log_std.max() <= 2
    eps = torch.randn_like(prior.mean)
    normal = torch.distributions.Normal(prior.mean, prior.log_std.exp())
    drawn = prior.mean + prior.log_std.exp() * eps
    torch.testing.assert_close(prior.entropy_of(eps), -normal.log_prob(drawn).sum(-1))
    torch.testing.assert_close(prior.action(eps), torch.tanh(drawn))


def test_a_plan_goes_on_where_it_was_carried_out_and_is_void_where_a_human_acted():
    made, (obs,) = policy(), episode(1)
    seen = to_tensors([obs, obs, obs], made.device)
    plan = torch.rand(3, 3, 2)
    carry = {**made.initial(3), PLAN: plan}
    own, first = torch.tensor([True, False, True]), torch.tensor([False, False, True])
    _, kept = made.see(seen, Previous(torch.zeros(3, 2), own, first), carry)
    torch.testing.assert_close(kept[PLAN][0, :2], plan[0, 1:])
    assert kept[PLAN][0, 2].abs().sum() == kept[PLAN][1:].abs().sum() == 0


def test_one_observation_and_one_memory_give_one_action():
    made = policy()
    first, again = PolicyMemory(made, 1), PolicyMemory(made, 1)
    for obs in episode(4):
        np.testing.assert_array_equal(first.act([obs]), again.act([obs]))


def test_without_planning_it_acts_by_its_prior():
    made, (obs,) = policy(plan=False), episode(1)
    seen, nothing = to_tensors([obs], made.device), Previous.nothing(1, 2)
    with torch.no_grad():
        z, _ = made.see(seen, nothing, made.initial(1))
        action, _ = made.step(seen, nothing, made.initial(1))
        torch.testing.assert_close(action, torch.tanh(made.model.prior(z).mean))


def test_planning_beats_the_prior_by_the_model_s_own_measure():
    made = policy()
    z = torch.rand(6, 4, 4).softmax(-1).flatten(1)
    with torch.no_grad():
        plan = made.plan(z, torch.zeros(6, 3, 2), made.noise, made.prior_noise)
        alone = made.model.follow_prior(z, torch.zeros(6, 3, 2))
        gained = made.model.worth(z, plan.mean, 0.99) - made.model.worth(z, alone, 0.99)
    assert gained.mean() > 0


def test_the_scale_of_returns_follows_their_range_and_never_magnifies():
    scale = ReturnScale(rate=1.0)
    returns = torch.linspace(0.0, 20.0, 101)
    scale.follow(returns)
    assert float(scale.value) == pytest.approx(18.0)
    torch.testing.assert_close(scale(returns), returns / 18.0)
    scale.follow(returns / 100)
    assert float(scale.value) == 1.0


def test_bad_shapes_are_refused():
    with pytest.raises(ConfigError, match="simnorm_group=3 must divide"):
        LatentPolicy(ModelConfig(latent_dim=16, simnorm_group=3, planner=PLANNER), make_interface())
    with pytest.raises(ConfigError, match="use two_hot"):
        LatentModel(small_config(value=ValueConfig()), 2)

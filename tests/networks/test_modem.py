"""The planner of MoDem-V2 against loops over actors and critics."""

from typing import Any

import pytest
import torch

from robot_rl.errors import ConfigError
from robot_rl.networks.modem import ActorsConfig, ActorsPolicy
from robot_rl.networks.policy import Previous
from robot_rl.networks.tdmpc2 import PLAN
from tests.conftest import make_interface
from tests.networks.planners import small_actors

ACTORS, CRITICS, NOISE = 3, 6, 0.1
INTERFACE = make_interface(cameras=2)


def policy_of(**settings: Any) -> ActorsPolicy:
    return small_actors(INTERFACE, **settings)


def action_of(policy: ActorsPolicy, actor: int, z: torch.Tensor) -> torch.Tensor:
    return torch.tanh(policy.model.pi(z)[actor])


def q_of(policy: ActorsPolicy, critic: int, z: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    model = policy.model
    return model.value.mean(model.critics(torch.cat((z, a), dim=-1))[critic])


@torch.no_grad()
def test_what_follows_a_plan_is_worth_mean_less_spread_of_what_the_others_would_do():
    policy, z = policy_of(spread_weight=2.0), torch.randn(5, 16)
    best = []
    for critic in range(CRITICS):
        others = [k for k in range(ACTORS) if k != critic // 2]
        best.append(
            torch.stack([q_of(policy, critic, z, action_of(policy, k, z)) for k in others]).amax(0)
        )
    wanted = torch.stack(best).mean(0) - 2.0 * torch.stack(best).std(0)
    torch.testing.assert_close(policy.model.terminal(z), wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_one_actor_is_judged_by_all_critics():
    policy, z = policy_of(actors=1, ensemble_size=2, spread_weight=0.0), torch.randn(5, 16)
    each = torch.stack([q_of(policy, i, z, action_of(policy, 0, z)) for i in range(2)])
    torch.testing.assert_close(policy.model.terminal(z), each.mean(0), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("proposed", [6, 7])
def test_each_actor_proposes_its_share_of_sequences(proposed):
    """Seven for three actors: three, three and one."""
    policy, z = policy_of(), torch.randn(2, 16)
    eps = torch.randn(2, proposed, 3, INTERFACE.action_size)
    found = policy.model.candidates(z, eps)
    share = -(-proposed // ACTORS)
    assert found.shape == (2, 3, proposed, INTERFACE.action_size)
    for p in range(proposed):
        now = z
        for t in range(3):
            noise = NOISE * eps[:, p, t].clamp(-3, 3)
            a = (action_of(policy, p // share, now) + noise).clamp(-1, 1)
            torch.testing.assert_close(found[:, t, p], a, rtol=1e-4, atol=1e-5)
            now = policy.model.next(now, a)


@torch.no_grad()
def test_an_actor_s_own_critics_judge_its_action():
    policy, z = policy_of(), torch.randn(5, 16)
    actions = torch.rand(ACTORS, 5, INTERFACE.action_size)
    found = policy.model.own_q(policy.model.critics, z, actions)
    for critic in range(CRITICS):
        wanted = q_of(policy, critic, z, actions[critic // 2])
        torch.testing.assert_close(found[critic // 2, critic % 2], wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_centred_plan_stays_where_the_actors_would_go_and_a_wide_one_does_not():
    inputs = policy_of().example(4)
    for centred, near in ((True, True), (False, False)):
        policy = policy_of(centred=centred)
        z, _ = policy.see(inputs[0], Previous.nothing(4, INTERFACE.action_size), inputs[2])
        plan = policy.plan(z, torch.zeros_like(inputs[2][PLAN]), policy.noise, policy.prior_noise)
        acts = torch.stack([action_of(policy, k, z) for k in range(ACTORS)])
        apart = (plan.elites[:, 0].unsqueeze(0) - acts.unsqueeze(2)).abs().amax(-1).amin(0)
        assert bool((apart <= 3 * NOISE + 1e-5).all()) is near


def test_a_lighter_one_stays_centred():
    policy = policy_of()
    fewer, *_, alone = policy.lighter()
    lighter = policy.with_settings(fewer)
    assert fewer == {
        "planner.iterations": 1,
        "planner.samples": 8,
        "planner.prior_samples": 8,
        "planner.elites": 2,
    }
    assert lighter.config.planning.prior_samples == 8
    assert alone == {"plan": False}


@pytest.mark.parametrize(("critics", "actors"), [(5, 3), (1, 1), (4, 0)])
def test_critics_are_shared_alike(critics, actors):
    with pytest.raises(ConfigError, match="as many for each actor"):
        ActorsConfig(ensemble_size=critics, actors=actors)

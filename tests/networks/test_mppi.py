"""The planner on a linear system, whose best actions are known."""

import pytest
import torch

from robot_rl.errors import ConfigError
from robot_rl.networks.mppi import PlannerConfig, mppi, shifted

# x' = A x + B u; worth = -sum |x'|^2 - 0.1 sum u^2. Small enough that no action meets the box.
A = torch.tensor([[1.0, 0.2], [0.0, 0.9]])
B = torch.tensor([[0.0], [0.5]])
PRICE, HORIZON = 0.1, 4
STARTS = torch.tensor([[0.3, -0.2], [-0.1, 0.25], [0.2, 0.2]])


def worth(actions: torch.Tensor) -> torch.Tensor:
    """[B, N] of sequences [B, H, N, 1], one start for each of the B."""
    x = STARTS[:, None].expand(-1, actions.shape[2], -1)
    total = torch.zeros(actions.shape[0], actions.shape[2])
    for u in actions.unbind(dim=1):
        x = x @ A.T + u @ B.T
        total = total - x.square().sum(-1) - PRICE * u.square().sum(-1)
    return total


def optimum() -> torch.Tensor:
    """[B, H, 1], by setting the gradient of the quadratic form to zero."""
    powers = [torch.linalg.matrix_power(A, k) for k in range(HORIZON + 1)]
    reach = torch.zeros(2 * HORIZON, HORIZON)  # all states from all actions
    for t in range(HORIZON):
        for k in range(t + 1):
            reach[2 * t : 2 * t + 2, k] = (powers[t - k] @ B)[:, 0]
    free = torch.cat([powers[t + 1] for t in range(HORIZON)])  # all states from the start
    hessian = reach.T @ reach + PRICE * torch.eye(HORIZON)
    return -torch.linalg.solve(hessian, reach.T @ free @ STARTS.T).T.unsqueeze(-1)


def plan(iterations: int, mean: torch.Tensor | None = None, **settings: float):
    chosen = {"samples": 256, "prior_samples": 0, "elites": 32, "temperature": 20.0, **settings}
    config = PlannerConfig(horizon=HORIZON, iterations=iterations, min_std=0.01, **chosen)
    torch.manual_seed(0)
    noise = torch.randn(iterations, 3, HORIZON, config.drawn, 1)
    start = torch.zeros(3, HORIZON, 1) if mean is None else mean
    prior = torch.zeros(3, HORIZON, config.prior_samples, 1)
    return mppi(config, worth, start, prior, noise)


def test_it_finds_the_known_optimum_of_every_environment():
    assert optimum().abs().max() < 0.8
    torch.testing.assert_close(plan(12).mean, optimum(), atol=0.05, rtol=0)


def test_more_iterations_are_worth_more():
    best = worth(optimum().unsqueeze(2))
    gaps = [(best - worth(plan(i).mean.unsqueeze(2))).max() for i in (1, 3, 8)]
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2] > 0


def test_a_warm_start_is_worth_iterations():
    best = worth(optimum().unsqueeze(2))
    cold, warm = plan(1, max_std=0.3).mean, plan(1, mean=optimum(), max_std=0.3).mean
    assert (best - worth(warm.unsqueeze(2))).max() < (best - worth(cold.unsqueeze(2))).max()


def test_what_the_prior_proposes_counts_in_every_iteration():
    """With elites of one the best sequence is the plan, and a prior that knows it is not lost."""
    config = PlannerConfig(horizon=HORIZON, iterations=2, samples=9, prior_samples=1, elites=1)
    noise = torch.randn(2, 3, HORIZON, 8, 1)
    found = mppi(config, worth, torch.zeros(3, HORIZON, 1), optimum().unsqueeze(2), noise)
    torch.testing.assert_close(found.mean, optimum())
    torch.testing.assert_close(found.weight, torch.ones(3, 1))


def test_environments_plan_apart():
    noise = torch.randn(2, 3, HORIZON, 64, 1)
    config = PlannerConfig(horizon=HORIZON, iterations=2, samples=64, prior_samples=0, elites=8)
    none = torch.zeros(3, HORIZON, 0, 1)
    together = mppi(config, worth, torch.zeros(3, HORIZON, 1), none, noise)

    def alone(actions: torch.Tensor) -> torch.Tensor:
        return worth(actions.expand(3, -1, -1, -1))[1:2]

    single = mppi(config, alone, torch.zeros(1, HORIZON, 1), none[:1], noise[:, 1:2])
    torch.testing.assert_close(together.mean[1:2], single.mean)
    torch.testing.assert_close(together.std[1:2], single.std)


def test_the_deviation_is_that_of_the_weighted_elites_within_its_bounds():
    found = plan(1)
    share = found.weight[:, None, :, None]
    mean = (share * found.elites).sum(dim=2)
    torch.testing.assert_close(found.mean, mean)
    std = (share * (found.elites - mean.unsqueeze(2)).square()).sum(dim=2).sqrt()
    torch.testing.assert_close(found.std, std.clamp(0.01, 2.0))


def test_a_plan_goes_on_one_step_later():
    mean = torch.arange(6.0).view(1, 3, 2)
    wanted = torch.tensor([[[2.0, 3.0], [4.0, 5.0], [0.0, 0.0]]])
    torch.testing.assert_close(shifted(mean), wanted)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"horizon": 0}, "looks 0 steps ahead"),
        ({"samples": 20}, "must not be more"),
        ({"elites": 513}, "must not be more"),
        ({"min_std": 3.0}, "0 < min_std <= max_std"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        PlannerConfig(**settings)

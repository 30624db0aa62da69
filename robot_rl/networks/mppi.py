"""Model predictive path integral control: a Gaussian over action sequences, drawn to those that are
worth most (Williams et al. 2015, arXiv:1509.01149; as in TD-MPC2, arXiv:2310.16828, section 3.2).
"""

# Shapes: B environments, H steps, N sequences of which P come from a policy, E elites, A action

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robot_rl.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PlannerConfig:
    """`samples` N of which `prior_samples` P follow the policy prior; `elites` E shape the next
    Gaussian, weighted by exp(`temperature` * value). `min_std` and `max_std` bound its deviation.
    """

    horizon: int = 3
    iterations: int = 6
    samples: int = 512
    prior_samples: int = 24
    elites: int = 64
    temperature: float = 0.5
    min_std: float = 0.05
    max_std: float = 2.0

    def __post_init__(self) -> None:
        if min(self.horizon, self.iterations, self.elites) < 1:
            raise ConfigError(
                f"agent.planner looks {self.horizon} steps ahead in {self.iterations} iterations "
                f"with {self.elites} elites; each is at least 1."
            )
        if not 0 <= self.prior_samples <= self.samples or self.elites > self.samples:
            raise ConfigError(
                f"agent.planner judges {self.samples} sequences; prior_samples="
                f"{self.prior_samples} and elites={self.elites} must not be more."
            )
        if not 0 < self.min_std <= self.max_std:
            raise ConfigError(
                f"agent.planner.min_std={self.min_std} and max_std={self.max_std}: needs "
                "0 < min_std <= max_std."
            )

    @property
    def drawn(self) -> int:
        """Sequences of an iteration that come from the Gaussian."""
        return self.samples - self.prior_samples


class Plan(NamedTuple):
    """The last Gaussian, `mean` and `std` [B, H, A], and the elites [B, H, E, A] that it was made
    of, with their `weight` [B, E]. `mean` lies inside [-1, 1].
    """

    mean: Tensor
    std: Tensor
    elites: Tensor
    weight: Tensor


def mppi(
    config: PlannerConfig,
    value: Callable[[Tensor], Tensor],
    mean: Tensor,
    prior: Tensor,
    noise: Tensor,
) -> Plan:
    """The plan after `config.iterations`, begun at `mean` [B, H, A] with the largest deviation.

    `value` says what sequences [B, H, N, A] are worth, [B, N]. `prior` [B, H, P, A] are among those
    of every iteration. `noise` [I, B or 1, H, N - P, A] is standard normal.
    """
    std = torch.full_like(mean, config.max_std)
    plan = Plan(mean, std, prior, prior)
    for eps in noise.unbind(dim=0):
        drawn = (plan.mean.unsqueeze(2) + plan.std.unsqueeze(2) * eps).clamp(-1.0, 1.0)
        actions = torch.cat((prior, drawn), dim=2)
        plan = _refit(config, actions, value(actions).nan_to_num())
    return plan


def _refit(config: PlannerConfig, actions: Tensor, value: Tensor) -> Plan:
    """The Gaussian of the best."""
    best, index = value.topk(config.elites, dim=1)
    _, steps, _, size = actions.shape
    elites = actions.gather(2, index[:, None, :, None].expand(-1, steps, -1, size))
    weight = (config.temperature * best).softmax(dim=1)
    share = weight[:, None, :, None]
    mean = (share * elites).sum(dim=2)
    variance = (share * (elites - mean.unsqueeze(2)).square()).sum(dim=2)
    std = variance.sqrt().clamp(config.min_std, config.max_std)
    return Plan(mean, std, elites, weight)


def shifted(mean: Tensor) -> Tensor:
    """A plan [B, H, A] one step later: what comes after its end is not planned yet."""
    return torch.cat((mean[:, 1:], torch.zeros_like(mean[:, :1])), dim=1)

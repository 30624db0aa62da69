"""Returns of imagined trajectories."""

# Shapes: N trajectories, H steps

import torch
from torch import Tensor


def lambda_returns(reward: Tensor, discount: Tensor, value: Tensor, lam: float) -> Tensor:
    """R_t = r_t+1 + discount_t+1 ((1 - lam) V_t+1 + lam R_t+1), R_H = V_H: [N, H].

    `reward` and `discount` [N, H] are those of arriving at the states 1 to H; `value` [N, H + 1].
    """
    ahead, returns = value[:, -1], []
    for t in reversed(range(reward.shape[1])):
        ahead = (1.0 - lam) * value[:, t + 1] + lam * ahead
        ahead = reward[:, t] + discount[:, t] * ahead
        returns.append(ahead)
    return torch.stack(returns[::-1], dim=1)


def reach_weights(discount: Tensor) -> Tensor:
    """How much a state 0 to H - 1 counts [N, H]: the product of the discounts before it."""
    ones = torch.ones_like(discount[:, :1])
    return torch.cat((ones, discount[:, :-1]), dim=1).cumprod(dim=1)

"""A multiplier that holds a quantity at its bound."""

import math

import torch
from torch import Tensor, nn

from robot_rl.networks.compute import Compute


class Dual(nn.Module):
    """exp(`log_value`) times a violation is added to a loss; Adam raises it while the violation is
    positive and lowers it where it is negative (dual gradient descent on the logarithm, RePo).
    """

    def __init__(self, initial: float, lr: float, compute: Compute) -> None:
        super().__init__()
        self.log_value = nn.Parameter(torch.tensor(math.log(initial)))
        self.to(compute.device)
        self.opt = torch.optim.Adam([self.log_value], lr=lr)

    @property
    def value(self) -> Tensor:
        return self.log_value.detach().exp()

    def follow(self, violation: Tensor) -> None:
        """One step of its own."""
        self.opt.zero_grad(set_to_none=True)
        (-self.log_value * violation.detach()).backward()
        self.opt.step()

"""How far apart returns lie, followed over updates."""

import torch
from torch import Tensor, nn

_LOW, _HIGH = 0.05, 0.95


class ReturnScale(nn.Module):
    """`value`: running average of the range from the 5th to the 95th percentile, at least 1 (Hafner
    et al. 2023, arXiv:2301.04104): an actor's step then does not depend on the task's rewards.
    """

    value: Tensor

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        self._rate = rate
        self.register_buffer("value", torch.ones(()))

    @torch.no_grad()
    def follow(self, returns: Tensor) -> None:
        low, high = torch.quantile(returns.float(), returns.new_tensor((_LOW, _HIGH)).float())
        self.value.lerp_((high - low).clamp(min=1.0), self._rate)

    def forward(self, returns: Tensor) -> Tensor:
        return returns / self.value

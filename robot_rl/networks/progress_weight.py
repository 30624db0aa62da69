"""How much an imitated step counts: by the progress that it brought."""

import torch
from torch import Tensor, nn

_SMALL = 1e-6


class ProgressWeight(nn.Module):
    """Progress r [B] -> weight [B] in [0, 1] (SARM, Chen et al. 2025, arXiv:2509.25358; lerobot's
    RA-BC).

    1 for more than `kappa`, 0 for a step back, and in between (r - (mean - 2 std)) / (4 std),
    bounded; mean and std are those of everything seen so far.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor  # summed squares of what differs from the mean (Welford 1962)

    def __init__(self, kappa: float) -> None:
        super().__init__()
        self._kappa = kappa
        for name in ("count", "mean", "squares"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def follow(self, progress: Tensor) -> None:
        x = progress.double()
        n, total = len(x), self.count + len(x)
        gap = x.mean() - self.mean
        self.squares += (x - x.mean()).square().sum() + gap.square() * self.count * n / total
        self.mean += gap * n / total
        self.count += n

    def forward(self, progress: Tensor) -> Tensor:
        std = (self.squares / self.count.clamp(min=1)).sqrt()
        soft = (progress - (self.mean - 2.0 * std)) / (4.0 * std + _SMALL)
        soft = soft.clamp(0.0, 1.0).to(progress.dtype)
        kept = torch.where(progress > self._kappa, torch.ones_like(soft), soft)
        return torch.where(progress < 0.0, torch.zeros_like(kept), kept)

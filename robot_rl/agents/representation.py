"""How a recurrent model learns what to keep of an observation: one switch, one class each."""

# Shapes: N observations, F feature, E embedding

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.networks.decoder import Decoder
from robot_rl.networks.layers import full_precision

Kind = Literal["reconstruct", "contrast", "barlow", "none"]

_EPS = 1e-8


class Reconstruct(nn.Module):
    """The feature draws the observation (Dreamer): -log p(o | feature)."""

    def __init__(self, decoder: Decoder, scale: nn.Module) -> None:
        super().__init__()
        self.decoder, self._scale = decoder, (scale,)  # not a module of this one

    def forward(self, feature: Tensor, embed: Tensor, obs: Mapping[str, Tensor]) -> Tensor:
        return self.decoder.loss(feature, obs, self._scale[0]).mean()


class Contrast(nn.Module):
    """The feature tells its own observation from the others of the batch (InfoNCE, the bound of
    InfoPower, Bharadhwaj et al. 2022): both sides learn.
    """

    def __init__(self, feature_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(feature_dim, embed_dim, bias=False)

    def forward(self, feature: Tensor, embed: Tensor, obs: Mapping[str, Tensor]) -> Tensor:
        with full_precision(feature):
            logits = self.project(feature) @ embed.T
        return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


class Barlow(nn.Module):
    """The projected feature correlates with the embedding number by number, and with no other
    (Barlow Twins; R2-Dreamer, Morihira et al. 2026). The embedding learns nothing here.
    """

    def __init__(self, feature_dim: int, embed_dim: int, off_diagonal: float = 5e-4) -> None:
        super().__init__()
        self.project = nn.Linear(feature_dim, embed_dim, bias=False)
        self._off_diagonal = off_diagonal

    def forward(self, feature: Tensor, embed: Tensor, obs: Mapping[str, Tensor]) -> Tensor:
        return self.redundancy(self.project(feature), embed.detach())

    def redundancy(self, a: Tensor, b: Tensor) -> Tensor:
        """sum_i (c_ii - 1)^2 + weight sum_i!=j c_ij^2, c the cross-correlation of columns."""
        c = _standard(a).T @ _standard(b) / len(a)
        diagonal = c.diagonal()
        off = c.square().sum() - diagonal.square().sum()
        return (diagonal - 1.0).square().sum() + self._off_diagonal * off


def _standard(x: Tensor) -> Tensor:
    return (x - x.mean(dim=0)) / (x.std(dim=0) + _EPS)


class Nothing(nn.Module):
    """Rewards and dynamics alone say what to keep (RePo)."""

    def forward(self, feature: Tensor, embed: Tensor, obs: Mapping[str, Tensor]) -> Tensor:
        return feature.new_zeros(())

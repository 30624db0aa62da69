"""Test-time adaptation of RePo (Zhu et al. 2023, arXiv:2309.00082, section 4).

The look changes and the task does not: model, rewards and behaviour stay, and the encoder learns to
say of the new pictures what it said of the old ones.
"""

# Shapes: N observations, E embedding

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from robot_rl.agents.support import SupportConfig, SupportConstraint
from robot_rl.networks.dreaming import DreamingPolicy
from robot_rl.networks.layers import full_precision
from robot_rl.networks.policy import Obs


@dataclass(frozen=True, kw_only=True)
class AdaptationConfig:
    """`calibration` weighs the error on pairs, `alignment` the support constraint."""

    batch_size: int = 256
    lr: float = 3e-4
    calibration: float = 1.0
    alignment: float = 1.0
    support: SupportConfig = field(default_factory=SupportConfig)


class Adaptation:
    """Adapts a copy of `policy`. Observations are frames as its encoder reads them."""

    def __init__(self, config: AdaptationConfig, policy: DreamingPolicy) -> None:
        self.config = config
        self.before = copy.deepcopy(policy).requires_grad_(False).eval()
        self.policy = copy.deepcopy(policy).requires_grad_(False).eval()
        sees = [self.policy.encoder.convs, self.policy.embedding.image]
        self._learned = [p for module in sees if module is not None for p in module.parameters()]
        for parameter in self._learned:
            parameter.requires_grad_(True)
        self._opt = torch.optim.Adam(self._learned, lr=config.lr)
        embed_dim = policy.embedding.dim
        self.constraint = SupportConstraint(config.support, embed_dim, policy.device)

    def update(self, old: Obs, new: Obs, pair: tuple[Obs, Obs]) -> dict[str, Tensor]:
        """One step. `old` and `new` show different moments, `pair` the same ones in both looks."""
        with torch.no_grad():
            embed_old, wanted = self.before.embed(old), self.before.embed(pair[0])
        embed_new, found = self.policy.embed(new), self.policy.embed(pair[1])
        with full_precision(embed_new):
            metrics = self.constraint.follow(embed_old, embed_new)
            error = 0.5 * F.mse_loss(found, wanted)  # -log N(wanted | found, 1) of one number
            aligned = self.constraint.loss(embed_new)
            loss = self.config.calibration * error + self.config.alignment * aligned
        self._opt.zero_grad(set_to_none=True)
        loss.backward()
        self._opt.step()
        return metrics | {"calibration_loss": error.detach(), "alignment_loss": aligned.detach()}

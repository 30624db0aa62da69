"""Actor and state value over `Features`; the critics are in `networks.ensemble`."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from robot_rl.networks.encoders import Encoder, Features, Trunk
from robot_rl.networks.layers import full_precision, hidden_layer, mlp, orthogonal_init
from robot_rl.networks.moe import MoE, MoEConfig

_LOG_STD_LOW, _LOG_STD_HIGH = -5.0, 1.0


class ActorOutput(NamedTuple):
    """`mu` = tanh(`pre_tanh`), both [B, A]. `balance_loss` is the mixture's, where there is one.

    `log_std` [B, A] is that of a Gaussian actor, before the tanh.
    """

    mu: Tensor
    pre_tanh: Tensor
    balance_loss: Tensor | None
    log_std: Tensor | None = None


class Actor(nn.Module):
    """Trunk, two hidden layers, tanh. With `moe` the second hidden layer is a mixture (MENTOR).

    A `gaussian` actor has a standard deviation of its own for each action (SAC).
    """

    def __init__(
        self,
        encoder: Encoder,
        action_dim: int,
        feature_dim: int,
        hidden_dim: int,
        layer_norm: bool = False,
        moe: MoEConfig | None = None,
        gaussian: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(encoder, feature_dim)
        self.first = hidden_layer(self.trunk.out_dim, hidden_dim, layer_norm)
        self.moe = MoE(hidden_dim, moe) if moe is not None else None
        self.second = (
            nn.ReLU() if moe is not None else hidden_layer(hidden_dim, hidden_dim, layer_norm)
        )
        self.out = nn.Linear(hidden_dim, action_dim)
        self.log_std = nn.Linear(hidden_dim, action_dim) if gaussian else None
        self.apply(orthogonal_init)

    def forward(self, features: Features) -> ActorOutput:
        x = self.trunk(features)
        with full_precision(x):
            h = self.first(x)
            h, balance_loss = (h, None) if self.moe is None else self.moe(h)
            h = self.second(h)
            pre_tanh = self.out(h)
            log_std = None if self.log_std is None else bounded_log_std(self.log_std(h))
            return ActorOutput(torch.tanh(pre_tanh), pre_tanh, balance_loss, log_std)


class Value(nn.Module):
    """State value V: features -> [B] (DrM)."""

    def __init__(
        self, encoder: Encoder, feature_dim: int, hidden_dim: int, layer_norm: bool = False
    ) -> None:
        super().__init__()
        self.trunk = Trunk(encoder, feature_dim)
        self.net = mlp(self.trunk.out_dim, hidden_dim, 1, layer_norm)
        self.apply(orthogonal_init)

    def forward(self, features: Features) -> Tensor:
        x = self.trunk(features)
        with full_precision(x):
            return self.net(x).squeeze(1)


def expectile_loss(error: Tensor, expectile: float) -> Tensor:
    """mean |tau - 1(error < 0)| error^2 (IQL, eq. 5)."""
    weight = torch.where(error > 0, expectile, 1.0 - expectile)
    return (weight * error.square()).mean()


def bounded_log_std(x: Tensor, low: float = _LOG_STD_LOW, high: float = _LOG_STD_HIGH) -> Tensor:
    """Smoothly into [`low`, `high`], so that its gradient never dies at a corner."""
    return low + 0.5 * (high - low) * (torch.tanh(x) + 1.0)

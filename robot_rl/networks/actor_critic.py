"""Actor and critics over `Features`."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from robot_rl.networks.encoders import Encoder, Features, Trunk
from robot_rl.networks.layers import full_precision, hidden_layer, mlp, orthogonal_init
from robot_rl.networks.moe import MoE, MoEConfig


class ActorOutput(NamedTuple):
    """`mu` = tanh(`pre_tanh`), both [B, A]. `balance_loss` is the mixture's, where there is one."""

    mu: Tensor
    pre_tanh: Tensor
    balance_loss: Tensor | None


class Actor(nn.Module):
    """Trunk, two hidden layers, tanh. With `moe` the second hidden layer is a mixture (MENTOR)."""

    def __init__(
        self, encoder: Encoder, action_dim: int, feature_dim: int, hidden_dim: int,
        layer_norm: bool = False, moe: MoEConfig | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.trunk = Trunk(encoder, feature_dim)
        self.first = hidden_layer(self.trunk.out_dim, hidden_dim, layer_norm)
        self.moe = MoE(hidden_dim, moe) if moe is not None else None
        self.second = (
            nn.ReLU() if moe is not None else hidden_layer(hidden_dim, hidden_dim, layer_norm)
        )
        self.out = nn.Linear(hidden_dim, action_dim)
        self.apply(orthogonal_init)

    def forward(self, features: Features) -> ActorOutput:
        x = self.trunk(features)
        with full_precision(x):
            h = self.first(x)
            h, balance_loss = (h, None) if self.moe is None else self.moe(h)
            pre_tanh = self.out(self.second(h))
            return ActorOutput(torch.tanh(pre_tanh), pre_tanh, balance_loss)


class Critic(nn.Module):
    """Twin Q over one trunk: (features, action [B, A]) -> (Q1 [B], Q2 [B])."""

    def __init__(
        self, encoder: Encoder, action_dim: int, feature_dim: int, hidden_dim: int,
        layer_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.trunk = Trunk(encoder, feature_dim)
        in_dim = self.trunk.out_dim + action_dim
        self.q1 = mlp(in_dim, hidden_dim, 1, layer_norm)
        self.q2 = mlp(in_dim, hidden_dim, 1, layer_norm)
        self.apply(orthogonal_init)

    def forward(self, features: Features, action: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat((self.trunk(features), action), dim=1)
        with full_precision(x):
            return self.q1(x).squeeze(1), self.q2(x).squeeze(1)


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

"""Actor and critics over `Features`."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from robot_rl.networks.encoders import Encoder, Features, Trunk
from robot_rl.networks.layers import mlp, orthogonal_init
from robot_rl.networks.moe import MoE, MoEConfig


class ActorOutput(NamedTuple):
    """`mu` = tanh(`pre_tanh`), both [B, A]."""

    mu: Tensor
    pre_tanh: Tensor


class Actor(nn.Module):
    """Trunk, two hidden layers, tanh. With `moe` the second hidden layer is a mixture (MENTOR)."""

    def __init__(
        self, encoder: Encoder, action_dim: int, feature_dim: int, hidden_dim: int,
        layer_norm: bool = False, moe: MoEConfig | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.trunk = Trunk(encoder, feature_dim)
        self.net = mlp(self.trunk.out_dim, hidden_dim, action_dim, layer_norm)
        self.moe = None
        if moe is not None:
            second = 3 if layer_norm else 2
            self.moe = MoE(hidden_dim, moe)
            self.net[second] = self.moe
        self.apply(orthogonal_init)

    def forward(self, features: Features) -> ActorOutput:
        pre_tanh = self.net(self.trunk(features)).float()
        return ActorOutput(torch.tanh(pre_tanh), pre_tanh)


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
        return self.q1(x).squeeze(1).float(), self.q2(x).squeeze(1).float()


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
        return self.net(self.trunk(features)).squeeze(1).float()

"""An ensemble of critics, computed as one batched product."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.networks.encoders import Encoder, Features, Trunk
from robot_rl.networks.layers import full_precision, orthogonal_init


class EnsembleLinear(nn.Module):
    """N independent linear layers: [N, B, in] -> [N, B, out]."""

    def __init__(self, members: int, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, in_dim, out_dim))
        self.bias = nn.Parameter(torch.empty(members, 1, out_dim))
        self.reset_weights()

    def reset_weights(self) -> None:
        for weight in self.weight.data:
            nn.init.orthogonal_(weight)
        nn.init.zeros_(self.bias)

    def forward(self, x_NBI: Tensor, members: Tensor | None) -> Tensor:
        weight, bias = self.weight, self.bias
        if members is not None:
            weight, bias = weight[members], bias[members]
        return torch.baddbmm(bias, x_NBI, weight)


class EnsembleNorm(nn.Module):
    """LayerNorm with a gain and an offset for each member."""

    def __init__(self, members: int, dim: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(members, 1, dim))
        self.offset = nn.Parameter(torch.zeros(members, 1, dim))

    def reset_weights(self) -> None:
        nn.init.ones_(self.gain)
        nn.init.zeros_(self.offset)

    def forward(self, x_NBD: Tensor, members: Tensor | None) -> Tensor:
        gain, offset = self.gain, self.offset
        if members is not None:
            gain, offset = gain[members], offset[members]
        return F.layer_norm(x_NBD, x_NBD.shape[-1:]) * gain + offset


class EnsembleMLP(nn.Module):
    """N independent networks of two hidden layers with ReLU over one input: [B, in] -> [N, B, out].

    `members` [M] computes those alone.
    """

    def __init__(
        self, members: int, in_dim: int, hidden_dim: int, out_dim: int, layer_norm: bool
    ) -> None:
        super().__init__()
        self.members = members
        self.linear = nn.ModuleList(
            EnsembleLinear(members, a, b)
            for a, b in ((in_dim, hidden_dim), (hidden_dim, hidden_dim), (hidden_dim, out_dim))
        )
        self.norm = nn.ModuleList(EnsembleNorm(members, hidden_dim) for _ in range(2 * layer_norm))

    def forward(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        count = self.members if members is None else len(members)
        h = x.expand(count, *x.shape)
        for i, linear in enumerate(self.linear[:-1]):
            h = linear(h, members)
            h = self.norm[i](h, members) if self.norm else h
            h = F.relu(h, inplace=True)
        return self.linear[-1](h, members)


class EnsembleCritic(nn.Module):
    """N critics over one trunk: (features, action [B, A]) -> Q [N, B] (REDQ, Chen et al. 2021)."""

    def __init__(
        self,
        encoder: Encoder,
        action_dim: int,
        feature_dim: int,
        hidden_dim: int,
        layer_norm: bool,
        members: int,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(encoder, feature_dim)
        in_dim = self.trunk.out_dim + action_dim
        self.q = EnsembleMLP(members, in_dim, hidden_dim, 1, layer_norm)
        self.apply(orthogonal_init)

    def forward(self, features: Features, action: Tensor, members: Tensor | None = None) -> Tensor:
        x = torch.cat((self.trunk(features), action), dim=1)
        with full_precision(x):
            return self.q(x, members).squeeze(-1)

    def draw_members(self, count: int) -> Tensor:
        """`count` members at random, without repetition."""
        return torch.randperm(self.q.members)[:count]


class EnsembleGripperCritic(nn.Module):
    """N critics of the gripper's discrete choices: features -> Q [N, B, choices] (HIL-SERL)."""

    def __init__(
        self,
        encoder: Encoder,
        choices: int,
        feature_dim: int,
        hidden_dim: int,
        layer_norm: bool,
        members: int,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(encoder, feature_dim)
        self.q = EnsembleMLP(members, self.trunk.out_dim, hidden_dim, choices, layer_norm)
        self.apply(orthogonal_init)

    def forward(self, features: Features) -> Tensor:
        x = self.trunk(features)
        with full_precision(x):
            return self.q(x)

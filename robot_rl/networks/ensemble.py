"""An ensemble of critics, computed as one batched product."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.networks.encoders import Encoder, Features, Trunk
from robot_rl.networks.layers import full_precision, orthogonal_init
from robot_rl.networks.values import Bins, Number


class EnsembleLinear(nn.Module):
    """N independent linear layers: [N, B, in] -> [N, B, out], at first orthogonal times `gain`."""

    def __init__(self, members: int, in_dim: int, out_dim: int, gain: float = 1.0) -> None:
        super().__init__()
        self._gain = gain
        self.weight = nn.Parameter(torch.empty(members, in_dim, out_dim))
        self.bias = nn.Parameter(torch.empty(members, 1, out_dim))
        self.reset_weights()

    def reset_weights(self) -> None:
        for weight in self.weight.data:
            nn.init.orthogonal_(weight, self._gain)
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
    """N independent networks of two hidden layers over one input: [B, in] -> [N, B, out].

    `members` [M] computes those alone. `gain` is that of the last layer's first weights, `dropout`
    what the first layer forgets while it learns.
    """

    def __init__(
        self,
        members: int,
        in_dim: int,
        hidden_dim: int,
        out_dim: int,
        layer_norm: bool,
        gain: float = 1.0,
        act: Callable[[Tensor], Tensor] = torch.relu_,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.members, self._act = members, act
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.linear = nn.ModuleList(
            (
                EnsembleLinear(members, in_dim, hidden_dim),
                EnsembleLinear(members, hidden_dim, hidden_dim),
                EnsembleLinear(members, hidden_dim, out_dim, gain),
            )
        )
        self.norm = nn.ModuleList(EnsembleNorm(members, hidden_dim) for _ in range(2 * layer_norm))

    def forward(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        count = self.members if members is None else len(members)
        return self.each(x.expand(count, *x.shape), members)

    def each(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        """The same with an input for each member, [N, B, in]."""
        h = x
        for i, linear in enumerate(self.linear[:-1]):
            h = linear(h, members)
            h = self.dropout(h) if self.dropout is not None and i == 0 else h
            h = self.norm[i](h, members) if self.norm else h
            h = self._act(h)
        return self.linear[-1](h, members)


class EnsembleCritic(nn.Module):
    """N critics over one trunk (REDQ, Chen et al. 2021); two are those of DrQ-v2."""

    def __init__(
        self,
        encoder: Encoder,
        action_dim: int,
        feature_dim: int,
        hidden_dim: int,
        layer_norm: bool,
        members: int,
        value: Number | Bins,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(encoder, feature_dim)
        self.value = value
        in_dim = self.trunk.out_dim + action_dim
        self.net = EnsembleMLP(
            members, in_dim, hidden_dim, value.size, layer_norm, value.first_gain
        )
        self.apply(orthogonal_init)

    def forward(self, features: Features, action: Tensor, members: Tensor | None = None) -> Tensor:
        """What `value` reads, [N, B, size], of `action` [B, A]."""
        x = torch.cat((self.trunk(features), action), dim=1)
        with full_precision(x):
            return self.net(x, members)

    def q(self, features: Features, action: Tensor, members: Tensor | None = None) -> Tensor:
        """Q [N, B]."""
        return self.value.mean(self(features, action, members))

    def q_of(self, features: Features, actions: Tensor) -> Tensor:
        """Q [N, K, B] of K actions for each state, `actions` [K, B, A]."""
        x = self.trunk(features).expand(len(actions), -1, -1)
        pairs = torch.cat((x, actions), dim=-1)
        with full_precision(pairs):
            out = self.net(pairs.flatten(0, 1).float())
        return self.value.mean(out).unflatten(1, actions.shape[:2])

    def draw_members(self, count: int) -> Tensor:
        """`count` members at random, without repetition."""
        return torch.randperm(self.net.members)[:count]


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

"""Mixture of experts with top-k routing (MENTOR, section 3.1) and a balance loss with a gradient.

Shapes: B batch, E experts, K chosen, D width, H expert width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class MoEConfig:
    """Sizes of the paper. `sparse` computes the chosen experts only: see docs/agents/mentor.md."""

    num_experts: int = 16
    top_k: int = 4
    expert_dim: int = 256
    gate_dim: int = 256
    gate_dropout: float = 0.1
    balance_scale: float = 0.002
    sparse: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.top_k <= self.num_experts:
            raise ConfigError(
                f"moe.top_k is {self.top_k}; it must lie between 1 and num_experts "
                f"({self.num_experts})."
            )


class Experts(nn.Module):
    """E two-layer ReLU networks D -> H -> D, their weights stacked: w1 [E, H, D], w2 [E, H, D]."""

    def __init__(self, num: int, width: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.empty(num, hidden, width))
        self.b1 = nn.Parameter(torch.empty(num, hidden))
        self.w2 = nn.Parameter(torch.empty(num, hidden, width))
        self.b2 = nn.Parameter(torch.empty(num, width))
        self.reset_weights()

    def reset_weights(self) -> None:
        for weight in (*self.w1.data, *self.w2.data):
            nn.init.orthogonal_(weight)
        nn.init.zeros_(self.b1)
        nn.init.zeros_(self.b2)

    def one(self, e: int, x: Tensor) -> Tensor:
        """Expert `e` on x [N, D]."""
        return F.relu(F.linear(x, self.w1[e], self.b1[e])) @ self.w2[e] + self.b2[e]

    def hidden(self, x_BD: Tensor) -> Tensor:
        """The hidden units of all experts [B, E, H], behind their ReLU."""
        h_BEH = F.linear(x_BD, self.w1.flatten(0, 1), self.b1.flatten())
        return F.relu(h_BEH).unflatten(1, self.b1.shape)

    def outputs(self, h_BEH: Tensor) -> Tensor:
        """What each expert makes of its hidden units [B, E, D]."""
        return torch.einsum("beh,ehd->bed", h_BEH, self.w2) + self.b2

    def mixed(self, x_BD: Tensor, weight_BE: Tensor) -> Tensor:
        """sum_e weight_e expert_e(x) [B, D]: two matrix products, whatever E is.

        The weight moves through the second layer, which is linear: scaling the hidden units of
        an expert scales its output.
        """
        h_BEH = self.hidden(x_BD) * weight_BE[..., None]
        return h_BEH.flatten(1) @ self.w2.flatten(0, 1) + weight_BE @ self.b2


class MoE(nn.Module):
    """y = sum over the K best experts of their renormalised router weight times their output.

    Returned beside y: the Switch balance loss E * sum_e f_e P_e (Fedus et al. 2022, eq. 4): 1 at
    uniform routing, more when routing collapses; the gradient flows through P, the mean router
    probability.
    """

    def __init__(self, width: int, config: MoEConfig) -> None:
        super().__init__()
        self.config = config
        self.router = nn.Sequential(
            nn.Linear(width, config.gate_dim),
            nn.ReLU(inplace=True),
            nn.Dropout(config.gate_dropout),
            nn.Linear(config.gate_dim, config.num_experts),
        )
        self.experts = Experts(config.num_experts, width, config.expert_dim)

    def forward(self, x_BD: Tensor) -> tuple[Tensor, Tensor]:
        prob_BE = self.router(x_BD).softmax(dim=-1)
        weight_BK, index_BK = prob_BE.topk(self.config.top_k, dim=-1)
        weight_BK = weight_BK / weight_BK.sum(dim=-1, keepdim=True)
        # Which experts are chosen depends on the data: an exported graph computes them all.
        sparse = self.config.sparse and not torch.compiler.is_exporting()
        mix = self._sparse if sparse else self._dense
        return mix(x_BD, weight_BK, index_BK), switch_balance_loss(prob_BE, index_BK)

    def _sparse(self, x_BD: Tensor, weight_BK: Tensor, index_BK: Tensor) -> Tensor:
        y_BD = torch.zeros_like(x_BD)
        for e in range(self.config.num_experts):
            row, slot = torch.where(index_BK == e)
            if len(row):
                out = self.experts.one(e, x_BD[row]) * weight_BK[row, slot, None]
                y_BD = y_BD.index_add(0, row, out.to(y_BD.dtype))
        return y_BD

    def _dense(self, x_BD: Tensor, weight_BK: Tensor, index_BK: Tensor) -> Tensor:
        zeros_BE = weight_BK.new_zeros(x_BD.shape[0], self.config.num_experts)
        weight_BE = zeros_BE.scatter(1, index_BK, weight_BK)
        return self.experts.mixed(x_BD, weight_BE)


def switch_balance_loss(prob_BE: Tensor, index_BK: Tensor) -> Tensor:
    """E * sum_e f_e P_e, f the share of choices that fell on e, P the mean router probability."""
    num_experts = prob_BE.shape[-1]
    share_E = F.one_hot(index_BK, num_experts).float().mean(dim=(0, 1))
    return num_experts * (share_E * prob_BE.float().mean(dim=0)).sum()

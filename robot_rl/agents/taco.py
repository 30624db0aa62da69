"""TACO: Temporal Latent Action-Driven Contrastive Loss (Zheng et al. 2023, arXiv:2306.13229).

An auxiliary loss for any agent of the family; the critics then read latent actions. Agent `taco`
is DrQ-v2 with this loss.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.windows import last_obs
from robot_rl.augment import random_shift
from robot_rl.networks.encoders import Encoder, Features, Trunk
from robot_rl.networks.layers import Bottleneck, full_precision, orthogonal_init
from robot_rl.types import Batch


@dataclass(frozen=True, kw_only=True)
class TacoConfig:
    """`weight` 0 leaves the loss out. `horizon` is K; `latent_ratio` sets d_a = ratio |A| + 1."""

    weight: float = 0.0
    horizon: int = 3
    latent_ratio: float = 1.25
    hidden_dim: int = 256
    curl: bool = True
    reward: bool = True

    def latent_dim(self, action_dim: int) -> int:
        return int(self.latent_ratio * action_dim) + 1


class TacoLoss(nn.Module):
    """Contrast (s_t, a_t..a_{t+K-1}) with s_{t+K}; CURL on s_t; predict the K-step reward."""

    def __init__(
        self, config: TacoConfig, encoder: Encoder, action_dim: int, feature_dim: int, gamma: float
    ) -> None:
        super().__init__()
        latent_dim = config.latent_dim(action_dim)
        sequence_dim = config.horizon * latent_dim
        self.config = config
        self.tokenizer = nn.Sequential(
            nn.Linear(action_dim, 64), nn.Tanh(), nn.Linear(64, latent_dim)
        )
        self.sequence = Bottleneck(sequence_dim, sequence_dim)
        self.project = Trunk(encoder, feature_dim)
        z_dim = self.project.out_dim

        def head(out_dim: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(z_dim + sequence_dim, config.hidden_dim),
                nn.ReLU(inplace=True),
                nn.Linear(config.hidden_dim, out_dim),
            )

        self.predict, self.reward = head(z_dim), head(1)
        self.register_buffer("gammas", gamma ** torch.arange(config.horizon, dtype=torch.float32))
        self.apply(orthogonal_init)
        # Starting at the identity, the bilinear form is the plain inner product.
        self.bilinear = nn.Parameter(torch.eye(z_dim))

    def loss(
        self, encoder: Encoder, h: Features, batch: Batch, pad: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of the three losses. `h` encodes the augmented obs, with gradient."""
        ahead = batch.segment
        assert ahead is not None, "TACO draws transitions with a segment of its horizon"
        inside = ahead.mask.amin(dim=1)  # all K steps lie in one episode
        with torch.no_grad():
            positive = self.project(encoder(random_shift(last_obs(ahead), pad)))
        z = self.project(h)
        u = self.sequence(self.tokenizer(ahead.action).flatten(1)).float()
        zu = torch.cat((z, u), dim=1)
        parts = {"taco_loss": self.info_nce(self.predict(zu), positive, inside)}
        if self.config.curl:
            with torch.no_grad():
                other = self.project(encoder(random_shift(batch.obs, pad)))
            parts["curl_loss"] = self.info_nce(z, other, torch.ones_like(inside))
        if self.config.reward:
            wanted = (ahead.reward * self.gammas).sum(dim=1)
            error = (self.reward(zu).squeeze(1).float() - wanted).square()
            parts["taco_reward_loss"] = (error * inside).sum() / inside.sum().clamp(min=1)
        total = torch.stack(list(parts.values())).sum()
        return total, {name: part.detach() for name, part in parts.items()}

    def info_nce(self, query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
        """Cross entropy of q W k^T [B, B] with the diagonal as the answer, over rows in `mask`."""
        with full_precision(query):
            logits = query.float() @ self.bilinear @ key.float().T
        labels = torch.arange(len(logits), device=logits.device)
        losses = F.cross_entropy(logits, labels, reduction="none")
        return (losses * mask).sum() / mask.sum().clamp(min=1)

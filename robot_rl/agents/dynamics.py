"""A representation loss in the manner of MR.Q (Fujimoto et al. 2025, arXiv:2501.16142): from what
an agent sees now, its next actions shall tell what it will see, its rewards and the end.

An auxiliary loss for any agent with a critic. Unlike MR.Q the critics keep their own trunks, and
the encoder learns from them, too.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robot_rl.agents.windows import stacks_of
from robot_rl.augment import random_shift
from robot_rl.errors import ConfigError
from robot_rl.networks.encoders import Encoder, Features, Trunk
from robot_rl.networks.layers import full_precision, mlp, orthogonal_init
from robot_rl.types import Batch


@dataclass(frozen=True, kw_only=True)
class DynamicsConfig:
    """`weight` 0 leaves the loss out. The other weights are those of its parts (MR.Q, eq. 5)."""

    weight: float = 0.0
    horizon: int = 3  # steps that are unrolled
    hidden_dim: int = 256
    latent: float = 1.0
    reward: float = 0.1
    termination: float = 0.1

    def __post_init__(self) -> None:
        if self.weight and self.horizon < 1:
            raise ConfigError(f"agent.dynamics.horizon is {self.horizon}; it is at least 1.")


class DynamicsLoss(nn.Module):
    """z_0 = project(h), (z_k, r_k, d_k) = model(z_{k-1}, a_{k-1}); z_k against what was seen."""

    def __init__(
        self, config: DynamicsConfig, encoder: Encoder, action_dim: int, feature_dim: int
    ) -> None:
        super().__init__()
        self.config = config
        self.project = Trunk(encoder, feature_dim)
        self._z_dim = self.project.out_dim
        self.model = mlp(self._z_dim + action_dim, config.hidden_dim, self._z_dim + 2, True)
        self.apply(orthogonal_init)

    def loss(
        self, encoder: Encoder, h: Features, batch: Batch, pad: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over the steps that are there. `h` encodes the augmented obs, with gradient; what
        comes after is seen by `encoder`, without.
        """
        ahead = batch.segment
        assert ahead is not None, "the loss draws transitions with a segment of its horizon"
        with torch.no_grad():
            seen = self.project(encoder(random_shift(stacks_of(ahead, 1), pad)))
        seen = seen.view(*ahead.mask.shape, self._z_dim)
        latent, reward, end = self.unroll(self.project(h), ahead.action)
        ended = ahead.terminated.float()
        errors = {
            "latent": (latent - seen).square().mean(dim=-1),
            "reward": (reward - ahead.reward).square(),
            "termination": (end - ended).square(),
        }
        count = ahead.mask.sum().clamp(min=1)
        parts = {name: (error * ahead.mask).sum() / count for name, error in errors.items()}
        total = sum(getattr(self.config, name) * part for name, part in parts.items())
        assert isinstance(total, Tensor)
        return total, {f"{name}_loss": part.detach() for name, part in parts.items()}

    def unroll(self, z: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [B, K, Z], rewards [B, K] and ends [B, K] that follow `action` [B, K, A]."""
        outs = []
        with full_precision(z):
            for a in action.unbind(dim=1):
                outs.append(self.model(torch.cat((z.float(), a), dim=1)))
                z = outs[-1][:, :-2]
        out = torch.stack(outs, dim=1)
        return out[..., :-2], out[..., -2], out[..., -1]

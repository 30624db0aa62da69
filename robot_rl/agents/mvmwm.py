"""MV-MWM: Multi-View Masked World Models for Visual Robotic Manipulation (Seo et al. 2023,
arXiv:2302.02408), the base of RoboHorizon: a recurrent model over tokens of a masked autoencoder.

The autoencoder learns to draw what was hidden of several views; the model learns on its tokens, of
one view if only one is there when the policy acts.
"""

# Shapes: N observations, L tokens, D width, F feature

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.dreamer import Dreamer
from robot_rl.agents.dreamer_config import DreamerConfig
from robot_rl.augment import random_shift
from robot_rl.measures import Measure, Shown
from robot_rl.networks.compute import Compute
from robot_rl.networks.dreaming import DreamingPolicy
from robot_rl.networks.masked import MaskedConfig, TokenEncoder
from robot_rl.networks.masked_dreaming import MaskedDreamingConfig, MaskedDreamingPolicy
from robot_rl.networks.values import symlog
from robot_rl.types import PROPRIO, Interface, Segment

_TOKENS = "tokens"


@dataclass(frozen=True, kw_only=True)
class MVMWMConfig(DreamerConfig):
    """In each update the autoencoder learns from `masked_batch` moments of the batch, at random."""

    name: str = "mvmwm"
    masked: MaskedConfig = field(default_factory=MaskedConfig)
    masked_batch: int = 64
    masked_lr: float = 3e-4
    reward_in_tokens: float = 1.0

    def idle(self) -> dict[str, str]:
        off = {
            "agent.representation=": "agent=dreamer; this one draws tokens",
            "agent.network.encoder=": "agent=dreamer; this one sees through agent.masked",
            "agent.probe=": "agent=dreamer; this one draws tokens",
            "agent.decoder_depth=": "agent=dreamer; this one draws tokens",
        }
        return {**super().idle(), **off}


class DrawTokens(nn.Module):
    """The feature draws the tokens: half the square error, summed over a token's numbers."""

    def __init__(self, feature_dim: int, tokens: int, dim: int) -> None:
        super().__init__()
        self.into = nn.Linear(feature_dim, dim)
        self.places = nn.Parameter(0.02 * torch.randn(tokens, dim))
        self.draw = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.SiLU())
        self.out = nn.Linear(dim, dim)

    def forward(self, feature: Tensor, embed: Tensor, obs: Mapping[str, Tensor]) -> Tensor:
        drawn = self.out(self.draw(self.into(feature).unsqueeze(1) + self.places))
        return 0.5 * (drawn - obs[_TOKENS]).square().sum(dim=-1).mean()


class MVMWM(Dreamer):
    config: MVMWMConfig
    shown: ClassVar[Shown] = {
        **Dreamer.shown,
        "masked_loss": Measure("error of the hidden pixels (mean square)"),
    }
    _policy: MaskedDreamingPolicy

    def __init__(
        self,
        config: MVMWMConfig,
        policy: MaskedDreamingPolicy,
        representation: nn.Module,
        compute: Compute,
    ) -> None:
        super().__init__(config, policy, representation, None, compute)
        self.masked_opt = compute.adam(policy.encoder.autoencoder, lr=config.masked_lr)

    def compile(self, backend: str = "inductor") -> None:
        sees = self._policy.encoder
        self.compute.compile(
            sees.autoencoder.encoder, sees.autoencoder.decoder, sees.reader, backend=backend
        )

    def _update(self, batch: Segment) -> dict[str, Tensor]:
        return self._learn_to_see(batch) | super()._update(batch)

    def _learn_to_see(self, batch: Segment) -> dict[str, Tensor]:
        """From moments that an action led to, with the reward that it brought."""
        arriving = torch.nonzero(batch.mask.flatten()).squeeze(1)
        chosen = arriving[torch.randperm(len(arriving))[: self.config.masked_batch]]
        kept = {k: x[:, 1:].flatten(0, 1)[chosen] for k, x in batch.obs.items() if k != PROPRIO}
        frames = random_shift(kept, self.config.shift_pad)
        with self.split("encode"), self.compute.autocast():
            reward = symlog(batch.reward.flatten()[chosen])
            losses = self._policy.encoder.autoencoder.loss(frames, reward)
        loss = losses["pixels"] + self.config.reward_in_tokens * losses["reward"]
        self._descend(loss, self.masked_opt, clip=self.config.clip_grad_norm)
        return {"masked_loss": losses["pixels"].detach()}

    def _trained(self, policy: DreamingPolicy) -> tuple[nn.Module, ...]:
        assert isinstance(policy.encoder, TokenEncoder)
        return policy.encoder.into, policy.encoder.reader, policy.embedding

    def _embedded(
        self, obs: dict[str, Tensor], frames: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor]:
        encoder = self._policy.encoder
        with self.compute.autocast():
            tokens = encoder.tokens(frames)
            embeds = self._policy.embedding(encoder.read(tokens, frames))
        return {**obs, _TOKENS: tokens.float()}, embeds

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {**super().optimizers(), "masked": self.masked_opt}


def build(config: MVMWMConfig, interface: Interface, compute: Compute) -> MVMWM:
    settings = MaskedDreamingConfig(
        network=config.network,
        rssm=config.rssm,
        embed_dim=config.embed_dim,
        masked=config.masked,
    )
    policy = MaskedDreamingPolicy(settings, interface)
    tokens = len(policy.encoder.views) * policy.encoder.autoencoder.tokens
    representation = DrawTokens(policy.rssm.feature_dim, tokens, config.masked.dim)
    return MVMWM(config, policy, representation, compute)


MVMWM_ENTRY = AgentEntry(
    MVMWMConfig(actor_gradient="pathwise"),
    build,
    "a recurrent model over tokens of views that are hidden from each other",
)

"""The policy of the agents that imagine: a recurrent state, and an actor on it."""

import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from robot_rl.networks.encoders import Encoder, Features
from robot_rl.networks.frames import single_frames
from robot_rl.networks.latent import normed_layer, normed_mlp
from robot_rl.networks.layers import full_precision
from robot_rl.networks.policy import Carry, Obs, Policy, Previous
from robot_rl.networks.rssm import RSSM, RSSMConfig, State
from robot_rl.networks.stacked import NetworkConfig, make_encoder
from robot_rl.types import Interface

DETER, STOCH = "deter", "stoch"
_MIN_STD, _MAX_STD = 0.1, 1.0


@dataclass(frozen=True, kw_only=True)
class DreamingConfig:
    """Of `network` the encoder's shape and `hidden_dim` are read; it sees one frame."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    rssm: RSSMConfig = field(default_factory=RSSMConfig)
    embed_dim: int = 256


class BoundedNormal(NamedTuple):
    """Gaussian around `mean` in (-1, 1), its deviation between 0.1 and 1 (DreamerV3)."""

    mean: Tensor
    std: Tensor

    def sample(self) -> Tensor:
        """Reparameterised, and not yet inside the box."""
        return self.mean + self.std * torch.randn_like(self.mean)

    def log_prob(self, action: Tensor) -> Tensor:
        z = (action - self.mean) / self.std
        return (-0.5 * z.square() - self.std.log() - 0.5 * math.log(2 * math.pi)).sum(dim=-1)

    def entropy(self) -> Tensor:
        return (self.std.log() + 0.5 * math.log(2 * math.pi * math.e)).sum(dim=-1)


class DreamActor(nn.Module):
    """Feature -> distribution over actions."""

    def __init__(self, feature_dim: int, hidden_dim: int, action_dim: int) -> None:
        super().__init__()
        self.net = normed_mlp(feature_dim, hidden_dim, 2 * action_dim, nn.SiLU())
        nn.init.normal_(self.net[-1].weight, std=0.01)  # type: ignore[arg-type]

    def forward(self, feature: Tensor) -> BoundedNormal:
        mean, raw = self.net(feature).chunk(2, dim=-1)
        std = _MIN_STD + (_MAX_STD - _MIN_STD) * torch.sigmoid(raw + 2.0)
        return BoundedNormal(torch.tanh(mean), std)


class Embedding(nn.Module):
    """`Features` -> [B, E]."""

    def __init__(self, encoder: Encoder, embed_dim: int) -> None:
        super().__init__()
        image, proprio = encoder.image_dim, encoder.proprio_dim
        self.image = normed_layer(image, embed_dim, nn.SiLU()) if image else None
        self.proprio = normed_layer(proprio, embed_dim, nn.SiLU()) if proprio else None
        self.dim = embed_dim * ((image > 0) + (proprio > 0))

    def forward(self, features: Features) -> Tensor:
        with full_precision(features.image):
            parts = []
            if self.image is not None:
                parts.append(self.image(features.image.float()))
            if self.proprio is not None:
                parts.append(self.proprio(features.proprio))
            return torch.cat(parts, dim=-1)


class DreamingPolicy(Policy):
    """Its memory is the model's state, moved on by the action that was really applied.

    A human's steps are seen and understood as the policy's own are. The likeliest state is taken,
    not a drawn one: one observation and one memory give one action.
    """

    kind = "dreaming"
    Config = DreamingConfig
    config: DreamingConfig

    def __init__(self, config: DreamingConfig, interface: Interface) -> None:
        super().__init__(config, interface)
        self.encoder = self._make_encoder(config, interface)
        self.embedding = Embedding(self.encoder, config.embed_dim)
        self.rssm = RSSM(config.rssm, self.embedding.dim, interface.action_size)
        self.actor = DreamActor(
            self.rssm.feature_dim, config.network.hidden_dim, interface.action_size
        )

    def _make_encoder(self, config: DreamingConfig, interface: Interface) -> Any:
        return make_encoder(replace(config.network, frame_stack=1), interface)

    def initial(self, n: int) -> Carry:
        state = self.rssm.initial(n, self.device)
        return {DETER: state.deter, STOCH: state.stoch}

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        out, carry = self.output(obs, previous, carry)
        return out.mean, carry

    def output(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[BoundedNormal, Carry]:
        """The same with all that the actor says."""
        embed = self.embed(single_frames(obs))
        with full_precision(embed):
            before = State(carry[DETER], carry[STOCH])
            deter, params = self.rssm.step(before, previous.action, embed, previous.first)
            state = State(deter, self.rssm.latent.mode(params))
            return self.actor(state.feature), {DETER: deter, STOCH: state.stoch}

    def embed(self, frames: Obs) -> Tensor:
        return self.embedding(self.encoder(frames))

"""The part of an agent that runs on a robot, and how it is built from a saved description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.errors import UnknownNameError
from robot_rl.networks.actor_critic import Actor, ActorOutput
from robot_rl.networks.encoders import Encoder
from robot_rl.networks.ensemble import EnsembleGripperCritic
from robot_rl.networks.gripper import CHOICES, GripperActor
from robot_rl.networks.layers import orthogonal_init
from robot_rl.networks.moe import MoEConfig
from robot_rl.types import PROPRIO, Interface, Observation

# The last frames of one episode, by camera: [S, 3, H, W], oldest first.
Frames = dict[str, np.ndarray]
_GRIPPER_CRITICS = 2


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Shapes of the networks. `actor` is `mlp` or `moe`, `gaussian` where it has a spread (SAC)."""

    encoder: str = "compact"
    frame_stack: int = 3
    feature_dim: int = 50
    hidden_dim: int = 256
    layer_norm: bool = True
    actor: str = "mlp"
    gaussian: bool = False
    gripper: Literal["continuous", "discrete"] = "continuous"  # discrete: HIL-SERL's
    scale_proprio: bool = False  # to mean 0 and deviation 1 over the demonstrations
    moe: MoEConfig = field(default_factory=MoEConfig)


class Policy(nn.Module):
    """Stacked frames and proprio to the deterministic action [B, A] in (-1, 1)."""

    def __init__(self, encoder: Encoder, actor: Actor | GripperActor, frame_stack: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.actor = actor
        self.frame_stack = frame_stack

    def forward(self, obs: Mapping[str, Tensor]) -> Tensor:
        return self.actor(self.encoder(obs)).mu

    @torch.inference_mode()
    def act(
        self, obs: Sequence[Observation], carry: Sequence[Frames | None]
    ) -> tuple[Tensor, list[Frames]]:
        """Actions [N, A] for N environments; the carry is the stack of their last frames."""
        out, frames = self.output(obs, carry)
        return out.mu, frames

    @torch.inference_mode()
    def output(
        self, obs: Sequence[Observation], carry: Sequence[Frames | None]
    ) -> tuple[ActorOutput, list[Frames]]:
        """The same with all that the actor says."""
        frames = [stack_frames(o, c, self.frame_stack) for o, c in zip(obs, carry, strict=True)]
        was_training = self.training
        self.eval()
        batch = to_batch(obs, frames, next(self.parameters()).device)
        out = self.actor(self.encoder(batch))
        self.train(was_training)
        return out, frames


def make_encoder(config: NetworkConfig, interface: Interface) -> Encoder:
    """Fresh weights, and pretrained ones where `config.encoder` has them."""
    encoder = Encoder(interface, config.frame_stack, config.encoder)
    encoder.apply(orthogonal_init)
    encoder.load_pretrained()
    return encoder


def make_actor(config: NetworkConfig, encoder: Encoder, action_dim: int) -> Actor | GripperActor:
    if config.actor not in ("mlp", "moe"):
        raise UnknownNameError("agent.network.actor", config.actor, ("mlp", "moe"))
    moe = config.moe if config.actor == "moe" else None
    discrete = config.gripper == "discrete"
    actor = Actor(
        encoder,
        action_dim - discrete,
        config.feature_dim,
        config.hidden_dim,
        config.layer_norm,
        moe,
        config.gaussian,
    )
    if not discrete:
        return actor
    gripper = EnsembleGripperCritic(
        encoder,
        len(CHOICES),
        config.feature_dim,
        config.hidden_dim,
        config.layer_norm,
        _GRIPPER_CRITICS,
    )
    return GripperActor(actor, gripper)


def make_policy(config: NetworkConfig, interface: Interface) -> Policy:
    """A policy with fresh weights, ready for `load_state_dict`."""
    encoder = Encoder(interface, config.frame_stack, config.encoder)
    actor = make_actor(config, encoder, interface.action_size)
    return Policy(encoder, actor, config.frame_stack)


def stack_frames(obs: Observation, frames: Frames | None, depth: int) -> Frames:
    """The newest `depth` frames with `obs` last; an episode's first frame fills the stack."""
    stacked: Frames = {}
    for key, image in obs.items():
        if key == PROPRIO:
            continue
        planar = image.transpose(2, 0, 1)[None]
        before = np.repeat(planar, depth, axis=0) if frames is None else frames[key]
        stacked[key] = np.concatenate((before[1:], planar))
    return stacked


def to_batch(
    obs: Sequence[Observation], frames: Sequence[Frames], device: torch.device
) -> dict[str, Tensor]:
    """Observations of N environments and their frame stacks as tensors [N, ...]."""
    batch = {
        key: torch.from_numpy(np.stack([stack[key] for stack in frames])).to(device)
        for key in frames[0]
    }
    if PROPRIO in obs[0]:
        proprio = np.stack([o[PROPRIO] for o in obs])
        batch[PROPRIO] = torch.from_numpy(proprio).to(device)
    return batch

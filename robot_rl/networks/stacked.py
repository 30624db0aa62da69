"""The policy of the actor-critic agents: an encoder over the last frames, and an actor."""

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from robot_rl.errors import UnknownNameError
from robot_rl.networks.actor_critic import Actor, ActorOutput
from robot_rl.networks.encoders import Encoder
from robot_rl.networks.ensemble import EnsembleGripperCritic
from robot_rl.networks.frames import FrameMemory
from robot_rl.networks.gripper import CHOICES, GripperActor
from robot_rl.networks.layers import orthogonal_init
from robot_rl.networks.moe import MoEConfig
from robot_rl.networks.policy import Carry, Obs, Policy, Previous
from robot_rl.types import Interface

_GRIPPER_CRITICS = 2


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Shapes of the networks. `actor` is `mlp` or `moe`."""

    encoder: str = "compact"
    frame_stack: int = 3
    feature_dim: int = 50
    hidden_dim: int = 256
    layer_norm: bool = True
    actor: str = "mlp"
    scale_proprio: bool = False  # to mean 0 and deviation 1 over the demonstrations
    moe: MoEConfig = field(default_factory=MoEConfig)


@dataclass(frozen=True, kw_only=True)
class StackedConfig:
    """`head` is `gaussian` where the actor has a spread (SAC); `gripper` `discrete` is HIL-SERL's.

    The agent sets both.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    head: Literal["deterministic", "gaussian"] = "deterministic"
    gripper: Literal["continuous", "discrete"] = "continuous"


class StackedPolicy(Policy):
    """Its memory is the frames before the newest."""

    kind = "stacked"
    Config = StackedConfig
    config: StackedConfig
    actor: Actor | GripperActor

    def __init__(self, config: StackedConfig, interface: Interface) -> None:
        """Fresh weights; `load_pretrained` of the encoder fetches those from elsewhere."""
        super().__init__(config, interface)
        self.frames = FrameMemory(interface, config.network.frame_stack)
        self.encoder = make_encoder(config.network, interface)
        self.actor = _make_actor(config, self.encoder, interface.action_size)

    def initial(self, n: int) -> Carry:
        return self.frames.initial(n, self.device)

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        out, carry = self.output(obs, previous, carry)
        return out.mu, carry

    def output(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[ActorOutput, Carry]:
        """The same with all that the actor says."""
        stacked, carry = self.frames.stack(obs, previous.first, carry)
        return self.actor(self.encoder(stacked)), carry


def make_encoder(config: NetworkConfig, interface: Interface) -> Encoder:
    encoder = Encoder(interface, config.frame_stack, config.encoder)
    encoder.apply(orthogonal_init)
    return encoder


def _make_actor(config: StackedConfig, encoder: Encoder, action_dim: int) -> Actor | GripperActor:
    net = config.network
    if net.actor not in ("mlp", "moe"):
        raise UnknownNameError("agent.network.actor", net.actor, ("mlp", "moe"))
    discrete = config.gripper == "discrete"
    actor = Actor(
        encoder,
        action_dim - discrete,
        net.feature_dim,
        net.hidden_dim,
        net.layer_norm,
        net.moe if net.actor == "moe" else None,
        config.head == "gaussian",
    )
    if not discrete:
        return actor
    gripper = EnsembleGripperCritic(
        encoder,
        len(CHOICES),
        net.feature_dim,
        net.hidden_dim,
        net.layer_norm,
        _GRIPPER_CRITICS,
    )
    return GripperActor(actor, gripper)

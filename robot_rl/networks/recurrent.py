"""A recurrent policy: a GRU over what is seen and over what was really done (BC-RNN of Mandlekar et
al. 2021, arXiv:2108.03298, with the applied action as a second input)."""

# Shapes: B batch, T time, A action, D width of the memory

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from robot_rl.networks.encoders import Trunk
from robot_rl.networks.frames import single_frames
from robot_rl.networks.layers import full_precision, hidden_layer, orthogonal_init
from robot_rl.networks.policy import Carry, Obs, Policy, Previous
from robot_rl.networks.stacked import NetworkConfig, make_encoder
from robot_rl.types import PROPRIO, Interface

MEMORY = "memory"


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig:
    """`memory_dim` is D. The network sees one frame, whatever `frame_stack` says."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    memory_dim: int = 128


class RecurrentPolicy(Policy):
    """One frame and the applied action -> GRU -> action [B, A] in (-1, 1).

    Whose the action was is no input: all that a demonstrator did was not the policy's own, and on
    a robot nearly all is. The policy would act on a weight that was never learned.
    """

    kind = "recurrent"
    Config = RecurrentConfig
    config: RecurrentConfig

    def __init__(self, config: RecurrentConfig, interface: Interface) -> None:
        super().__init__(config, interface)
        net = replace(config.network, frame_stack=1)
        action_dim = interface.action_size
        self.encoder = make_encoder(net, interface)
        self.trunk = Trunk(self.encoder, net.feature_dim)
        self.gru = nn.GRUCell(self.trunk.out_dim + action_dim, config.memory_dim)
        self.head = nn.Sequential(
            hidden_layer(config.memory_dim, net.hidden_dim, net.layer_norm),
            nn.Linear(net.hidden_dim, action_dim),
            nn.Tanh(),
        )
        self.trunk.apply(orthogonal_init)
        self.head.apply(orthogonal_init)

    def initial(self, n: int) -> Carry:
        return {MEMORY: torch.zeros(n, self.config.memory_dim, device=self.device)}

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        x = self.trunk(self.encoder(single_frames(obs)))
        with full_precision(x):
            memory = self._remember(x, previous, carry[MEMORY])
            return self.head(memory), {MEMORY: memory}

    def unroll(self, obs: Obs, previous: Previous) -> Tensor:
        """Actions [B, T, A] of windows as replay has them, memory begins empty.

        obs: `image/<camera>` uint8 [B, T, 3, H, W], proprio [B, T, P]; `previous` [B, T, ...].
        Equal to T calls of `step`; the encoder sees all frames at once.
        """
        batch, length = previous.own.shape
        flat = {key: x.flatten(0, 1) for key, x in obs.items()}
        frames = {key: x if key == PROPRIO else x.unsqueeze(1) for key, x in flat.items()}
        x = self.trunk(self.encoder(frames))
        with full_precision(x):
            x_BTD = x.unflatten(0, (batch, length))
            memory, memories = x.new_zeros(batch, self.config.memory_dim), []
            for t in range(length):
                memory = self._remember(x_BTD[:, t], Previous(*(p[:, t] for p in previous)), memory)
                memories.append(memory)
            return self.head(torch.stack(memories, dim=1))

    def _remember(self, x: Tensor, previous: Previous, memory: Tensor) -> Tensor:
        goes_on = (~previous.first).unsqueeze(-1).to(x.dtype)
        told = torch.cat((x, goes_on * previous.action), dim=-1)
        return self.gru(told, goes_on * memory)

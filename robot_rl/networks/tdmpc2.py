"""The implicit world model of TD-MPC2 and the policy that plans in it (Hansen et al. 2024,
arXiv:2310.16828)."""

# Shapes: B batch, H planned steps, N sequences, P of them from the prior, Z latent, A action

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError
from robot_rl.networks.actor_critic import bounded_log_std
from robot_rl.networks.ensemble import EnsembleMLP
from robot_rl.networks.frames import FrameMemory
from robot_rl.networks.latent import LatentHead, Mish, SimNorm, mish, normed_mlp, truncated_init
from robot_rl.networks.layers import full_precision
from robot_rl.networks.mppi import Plan, PlannerConfig, mppi, shifted
from robot_rl.networks.policy import Carry, Obs, Policy, Previous
from robot_rl.networks.stacked import NetworkConfig, make_encoder
from robot_rl.networks.values import SYMLOG_BINS, Bins, ValueConfig, make_value
from robot_rl.types import Interface

PLAN = "plan"
_LOG_STD = (-10.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Of `network` the encoder's shape, `frame_stack` and `hidden_dim` are read.

    `terminations`: the model learns where episodes end, and plans do not earn beyond.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    latent_dim: int = 512
    simnorm_group: int = 8
    ensemble_size: int = 5
    dropout: float = 0.01
    value: ValueConfig = SYMLOG_BINS
    terminations: bool = False
    gamma: float = 0.99
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    plan: bool = True

    @property
    def planning(self) -> PlannerConfig:
        """As it is really planned."""
        return self.planner


class Prior(NamedTuple):
    """The policy prior before its tanh, both [..., A]."""

    mean: Tensor
    log_std: Tensor

    def action(self, eps: Tensor | float = 0.0) -> Tensor:
        """tanh(mean + std eps)."""
        return torch.tanh(self.mean + self.log_std.exp() * eps)

    def entropy_of(self, eps: Tensor) -> Tensor:
        """-log N of what `eps` drew, before the tanh [...]."""
        normal = -0.5 * eps.square() - self.log_std - 0.5 * math.log(2 * math.pi)
        return -normal.sum(dim=-1)


class LatentModel(nn.Module):
    """d: z, a -> z'; R: z, a -> r; pi: z -> a; Q: z, a -> ensemble of returns."""

    def __init__(self, config: ModelConfig, action_dim: int) -> None:
        super().__init__()
        hidden, latent = config.network.hidden_dim, config.latent_dim
        self.action_dim, both = action_dim, latent + action_dim
        value = make_value(config.value)
        if not isinstance(value, Bins):
            raise ConfigError("agent.value.fit=mse: TD-MPC2 regresses over bins; use two_hot.")
        self.value = value
        self.dynamics = normed_mlp(both, hidden, latent, Mish(), SimNorm(config.simnorm_group))
        self.rewards = normed_mlp(both, hidden, value.size, Mish())
        self.pi = self._make_pi(config)
        self.ends = normed_mlp(latent, hidden, 1, Mish()) if config.terminations else None
        self.critics = EnsembleMLP(
            config.ensemble_size,
            both,
            hidden,
            value.size,
            layer_norm=True,
            act=mish,
            dropout=config.dropout,
        )
        self.apply(truncated_init)
        for last in (self.rewards[-1], self.critics.linear[-1]):
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]

    def _make_pi(self, config: ModelConfig) -> nn.Module:
        hidden = config.network.hidden_dim
        return normed_mlp(config.latent_dim, hidden, 2 * self.action_dim, Mish())

    def next(self, z: Tensor, action: Tensor) -> Tensor:
        return self.dynamics(torch.cat((z, action), dim=-1))

    def reward(self, z: Tensor, action: Tensor) -> Tensor:
        """Logits over the bins of `value`."""
        return self.rewards(torch.cat((z, action), dim=-1))

    def q(self, z: Tensor, action: Tensor, members: Tensor | None = None) -> Tensor:
        """Logits over bins, [N, B, bins]."""
        return self.critics(torch.cat((z, action), dim=-1), members)

    def prior(self, z: Tensor) -> Prior:
        mean, log_std = self.pi(z).chunk(2, dim=-1)
        return Prior(mean, bounded_log_std(log_std, *_LOG_STD))

    def action(self, z: Tensor) -> Tensor:
        """What the prior would do in `z` [B, Z]."""
        return self.prior(z).action()

    def explore(self, z: Tensor) -> Tensor:
        """The same, drawn."""
        prior = self.prior(z)
        return prior.action(torch.randn_like(prior.mean))

    def rollout(self, z: Tensor, actions: Tensor) -> Tensor:
        """Latents after each of `actions` [B, T, A]: [B, T, Z]."""
        latents = []
        for a in actions.unbind(dim=1):
            z = self.next(z, a)
            latents.append(z)
        return torch.stack(latents, dim=1)

    def follow_prior(self, z: Tensor, eps: Tensor) -> Tensor:
        """Actions [M, H, A] of the prior from `z` [M, Z], drawn with `eps` [M, H, A]."""
        actions = []
        for e in eps.unbind(dim=1):
            actions.append(self.prior(z).action(e))
            z = self.next(z, actions[-1])
        return torch.stack(actions, dim=1)

    def candidates(self, z: Tensor, eps: Tensor) -> Tensor:
        """Sequences [B, H, P, A] of the prior from `z` [B, Z], drawn with `eps` [B, P, H, A]."""
        start = z.unsqueeze(1).expand(-1, eps.shape[1], -1).flatten(0, 1)
        actions = self.follow_prior(start, eps.flatten(0, 1))
        return actions.unflatten(0, (z.shape[0], eps.shape[1])).transpose(1, 2)

    def worth(self, z: Tensor, actions: Tensor, gamma: float) -> Tensor:
        """Rewards of `actions` [M, H, A] from `z` [M, Z], and Q of the prior after them, [M]."""
        total, alive = z.new_zeros(z.shape[0]), z.new_ones(z.shape[0])
        for t, a in enumerate(actions.unbind(dim=1)):
            total = total + gamma**t * alive * self.value.mean(self.reward(z, a))
            z = self.next(z, a)
            if self.ends is not None:
                alive = alive * (1.0 - self.ends(z).squeeze(-1).sigmoid())
        return total + gamma ** actions.shape[1] * alive * self.terminal(z)

    def terminal(self, z: Tensor) -> Tensor:
        """What going on from `z` [M, Z] is worth, [M]: the mean of all critics."""
        return self.value.mean(self.q(z, self.action(z))).mean(dim=0)


class LatentPolicy(Policy):
    """Plans from where it stands; its memory is the plan of the step before, [B, H, A].

    A plan goes on where its action was the policy's own; where a human or chance acted, what it
    had in mind is void. `step` plans with the same draws each time, so that one observation and one
    memory give one action, here and exported.
    """

    kind = "tdmpc2"
    Config = ModelConfig
    Model: ClassVar[type[LatentModel]] = LatentModel
    config: ModelConfig
    noise: Tensor
    prior_noise: Tensor

    def __init__(self, config: ModelConfig, interface: Interface) -> None:
        super().__init__(config, interface)
        net = config.network
        self.frames = FrameMemory(interface, net.frame_stack)
        self.encoder = make_encoder(net, interface)
        self.head = LatentHead(
            self.encoder, config.latent_dim, config.simnorm_group, net.hidden_dim
        )
        self.model = self.Model(config, interface.action_size)
        self.encoder.apply(truncated_init)
        self.head.apply(truncated_init)
        drawn = self.draw(1, torch.Generator().manual_seed(0))
        self.register_buffer("noise", drawn[0], persistent=False)
        self.register_buffer("prior_noise", drawn[1], persistent=False)

    def draw(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """What `plan` needs of chance: of its Gaussian [I, n, H, N - P, A], of the prior
        [n, P, H, A]."""
        p, a = self.config.planning, self.interface.action_size
        gaussian = torch.randn(p.iterations, n, p.horizon, p.drawn, a, generator=generator)
        prior = torch.randn(n, p.prior_samples, p.horizon, a, generator=generator)
        return gaussian, prior

    def lighter(self) -> Iterator[dict[str, Any]]:
        """Fewer iterations or sequences, by how many are judged in all; last the prior alone."""
        planner = self.config.planning
        if not self.config.plan:
            return
        pairs = itertools.product(
            (planner.samples, planner.samples // 2, planner.samples // 4),
            range(1, planner.iterations + 1),
        )
        _, *fewer = sorted(pairs, key=lambda pair: -pair[0] * pair[1])
        for samples, iterations in fewer:
            yield {"planner.iterations": iterations, **self._with_samples(samples)}
        yield {"plan": False}

    def _with_samples(self, samples: int) -> dict[str, Any]:
        """Settings for so many sequences; nothing where they are as many as now."""
        planner = self.config.planning
        if samples == planner.samples:
            return {}
        return {
            "planner.samples": samples,
            "planner.prior_samples": planner.prior_samples * samples // planner.samples,
            "planner.elites": max(1, min(planner.elites, samples // 4)),
        }

    def initial(self, n: int) -> Carry:
        plan = torch.zeros(n, self.config.planning.horizon, self.interface.action_size)
        return {**self.frames.initial(n, self.device), PLAN: plan.to(self.device)}

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        z, carry = self.see(obs, previous, carry)
        if not self.config.plan:
            return self.model.action(z), carry
        plan = self.plan(z, carry[PLAN], self.noise, self.prior_noise)
        return plan.mean[:, 0], {**carry, PLAN: plan.mean}

    def see(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        """The latent [B, Z], and the memory with the plan as far as it is still meant."""
        stacked, frames = self.frames.stack(obs, previous.first, carry)
        meant = (previous.own & ~previous.first).view(-1, 1, 1)
        plan = torch.where(meant, shifted(carry[PLAN]), torch.zeros_like(carry[PLAN]))
        return self.encode(stacked), {**frames, PLAN: plan}

    def encode(self, stacked: Obs) -> Tensor:
        return self.head(self.encoder(stacked))

    def plan(self, z: Tensor, mean: Tensor, noise: Tensor, prior_noise: Tensor) -> Plan:
        """From latents [B, Z], begun at `mean` [B, H, A]; noise as in `draw`."""
        planner = self.config.planning
        with full_precision(z):
            prior = self.model.candidates(z, prior_noise.expand(z.shape[0], -1, -1, -1))
            start = z.unsqueeze(1).expand(-1, planner.samples, -1).flatten(0, 1)

            def value(actions: Tensor) -> Tensor:
                each = actions.transpose(1, 2).flatten(0, 1)
                worth = self.model.worth(start, each, self.config.gamma)
                return worth.unflatten(0, (-1, planner.samples))

            return mppi(planner, value, mean, prior, noise)

"""DrQ-v2: Mastering Visual Continuous Control (Yarats et al. 2021, arXiv:2107.09645).

The base of the family: DrM and MENTOR override what they change, and an auxiliary loss (TACO)
plugs into any of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.pixel_agent import PixelActor, stacked_policy
from robot_rl.agents.q_agent import QAgent, QConfig, QParts, q_parts
from robot_rl.agents.schedules import LinearSchedule
from robot_rl.agents.taco import TacoConfig, TacoLoss
from robot_rl.errors import ConfigError
from robot_rl.measures import Measure, Shown
from robot_rl.networks.actor_critic import Actor, ActorOutput
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Features
from robot_rl.networks.layers import squashed_noise
from robot_rl.types import Batch, Interface

_CRITICS = 2


@dataclass(frozen=True, kw_only=True)
class DrQV2Config(QConfig):
    """Published values."""

    name: str = "drqv2"
    tau: float = 0.01
    std: LinearSchedule = field(default_factory=LinearSchedule)
    std_clip: float = 0.3
    # Weight of the mean square of the actor's pre-tanh output: keeps it out of the flat corners.
    pre_tanh_penalty: float = 0.0
    taco: TacoConfig = field(default_factory=TacoConfig)

    @property
    def horizons(self) -> set[int]:
        return super().horizons | ({self.taco.horizon} if self.taco.weight else set())

    def idle(self) -> dict[str, str]:
        off = {} if self.taco.weight else {"agent.taco.": "agent.taco.weight=1"}
        return {**super().idle(), **off}

    def for_run(self, steps: int) -> Self:
        return replace(self, std=self.std.over(steps))


class DrQV2(QAgent):
    """Off-policy actor-critic on augmented pixels. Symbols follow the paper's algorithm 1."""

    config: DrQV2Config
    pi: Actor
    shown: ClassVar[Shown] = {
        "critic_loss": Measure("critic loss"),
        "exploration_std": Measure("exploration noise (std)"),
    }

    def __init__(
        self,
        config: DrQV2Config,
        parts: QParts,
        compute: Compute,
        taco: TacoLoss | None = None,
    ) -> None:
        self.taco = taco.to(compute.device) if taco is not None else None
        super().__init__(config, parts, compute, () if self.taco is None else (self.taco,))
        assert isinstance(parts.policy.actor, Actor)
        self.pi = parts.policy.actor
        self.actor_opt = compute.adam(self.pi, lr=config.lr)

    def actor(self) -> PixelActor:
        return self._actor(with_noise)

    def exploration_std(self) -> float:
        """Standard deviation of the exploration noise at the present step."""
        return self.config.std(self.step)

    def exploration(self) -> dict[str, float]:
        return {"exploration_std": self.exploration_std()}

    # ---------------------------------------------------------------- learning

    def _next_value(self, next_h: Features) -> Tensor:
        """V of eq. 2: min_k Q'_k(s', a'), a' = mu(s') + clip(eps, -c, c)."""
        next_action = self._with_clipped_noise(self.pi(next_h).mu)
        return self.critic_target.q(next_h, self._critic_action(next_action)).amin(dim=0)

    def _with_clipped_noise(self, mu: Tensor) -> Tensor:
        clip = self.config.std_clip
        noise = self.exploration_std() * torch.randn_like(mu)
        return squashed_noise(mu, noise.clamp(-clip, clip))

    def _auxiliary(
        self, h: Features, next_h: Features, batch: Batch
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        loss, metrics = super()._auxiliary(h, next_h, batch)
        if self.taco is not None:
            contrast, parts = self.taco.loss(self.encoder, h, batch, self.config.shift_pad)
            loss, metrics = loss + self.config.taco.weight * contrast, metrics | parts
        return loss, metrics

    def _update_actor(self, h: Features, seen: Features, batch: Batch) -> dict[str, Tensor]:
        """max_phi min_k Q_k(s, a), a from the policy with clipped noise (eq. 3)."""
        with self.split("forward"), self.compute.autocast():
            out = self.pi(seen)
            action = self._with_clipped_noise(out.mu)
            # The critic is only read here: without its gradient the backward pass is cheaper.
            self.critic.requires_grad_(False)
            q = self.critic.q(h, self._critic_action(action)).amin(dim=0)
            loss = -q.mean() + self._actor_regulariser(out)
        self._descend(loss, self.actor_opt)
        self.critic.requires_grad_(True)
        return {
            "actor_loss": loss.detach(),
            "actor_saturation": (out.mu.detach().abs() > 0.99).float().mean(),
        }

    def _actor_regulariser(self, out: ActorOutput) -> Tensor:
        penalty = self.config.pre_tanh_penalty * out.pre_tanh.square().mean()
        return penalty + super()._actor_regulariser(out)

    def _critic_action(self, action: Tensor) -> Tensor:
        return action if self.taco is None else self.taco.tokenizer(action).float()

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        named = super().modules()
        return named if self.taco is None else {**named, "taco": self.taco}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {**super().optimizers(), "actor": self.actor_opt}


def with_noise(out: ActorOutput, exploration: Mapping[str, float], noise: Tensor) -> Tensor:
    """a = mu(s) + std `noise`."""
    return squashed_noise(out.mu, exploration["exploration_std"] * noise)


def drqv2_parts(config: DrQV2Config, interface: Interface) -> tuple[QParts, TacoLoss | None]:
    """Policy, twin critic and auxiliary losses, as the whole family has them.

    Raises `ConfigError` without a camera.
    """
    if not interface.cameras:
        raise ConfigError(
            f"agent={config.name} learns through an encoder, and {interface.task} has no camera "
            "here. Use agent=sac or agent=rlpd from state."
        )
    net, action_dim = config.network, interface.action_size
    policy = stacked_policy(net, interface)
    taco, critic_action_dim = None, action_dim
    if config.taco.weight > 0:
        taco = TacoLoss(config.taco, policy.encoder, action_dim, net.feature_dim, config.gamma)
        critic_action_dim = config.taco.latent_dim(action_dim)
    return q_parts(config, policy, interface, _CRITICS, critic_action_dim), taco


def build(config: DrQV2Config, interface: Interface, compute: Compute) -> DrQV2:
    parts, taco = drqv2_parts(config, interface)
    return DrQV2(config, parts, compute, taco)


DRQV2 = AgentEntry(DrQV2Config(), build, "off-policy actor-critic on shifted pixels")
TACO = AgentEntry(
    DrQV2Config(name="taco", taco=TacoConfig(weight=1.0)),
    build,
    "DrQ-v2 that contrasts state and action sequence with the future",
)

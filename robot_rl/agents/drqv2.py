"""DrQ-v2: Mastering Visual Continuous Control (Yarats et al. 2021, arXiv:2107.09645).

The base of the family: DrM and MENTOR override what they change, and an auxiliary loss (TACO)
plugs into any of them.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.pixel_agent import PixelActor, PixelAgent, PixelConfig, stacked_policy
from robot_rl.agents.schedules import LinearSchedule
from robot_rl.agents.taco import TacoConfig, TacoLoss
from robot_rl.errors import ConfigError
from robot_rl.measures import Measure, Shown
from robot_rl.networks.actor_critic import Actor, ActorOutput, Critic
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Features
from robot_rl.networks.layers import polyak_, squashed_noise
from robot_rl.networks.stacked import StackedPolicy
from robot_rl.replay.draws import Draws
from robot_rl.types import Batch, Interface


@dataclass(frozen=True, kw_only=True)
class DrQV2Config(PixelConfig):
    """Published values."""

    name: str = "drqv2"
    tau: float = 0.01
    std: LinearSchedule = field(default_factory=LinearSchedule)
    std_clip: float = 0.3
    # Weight of the mean square of the actor's pre-tanh output: keeps it out of the flat corners.
    pre_tanh_penalty: float = 0.0
    taco: TacoConfig = field(default_factory=TacoConfig)

    @property
    def draws(self) -> Draws:
        return replace(super().draws, segment=self.taco.horizon if self.taco.weight > 0 else 0)

    def idle(self) -> dict[str, str]:
        off = {} if self.taco.weight else {"agent.taco.": "agent.taco.weight=1"}
        return {**super().idle(), **off}

    def for_run(self, steps: int) -> Self:
        return replace(self, std=self.std.over(steps))


class DrQV2(PixelAgent):
    """Off-policy actor-critic on augmented pixels. Symbols follow the paper's algorithm 1."""

    config: DrQV2Config
    pi: Actor
    shown: ClassVar[Shown] = {
        "critic_loss": Measure("critic loss"),
        "exploration_std": Measure("exploration noise (std)"),
    }
    _policy: StackedPolicy

    def __init__(
        self,
        config: DrQV2Config,
        policy: StackedPolicy,
        critic: Critic,
        compute: Compute,
        taco: TacoLoss | None = None,
    ) -> None:
        super().__init__(config, policy, compute)
        assert isinstance(policy.actor, Actor)
        self.pi = policy.actor
        self.critic = critic.to(compute.device)
        self.critic_target = copy.deepcopy(self.critic).requires_grad_(False)
        self.taco = taco.to(compute.device) if taco is not None else None
        auxiliary = () if self.taco is None else (self.taco,)
        # The auxiliary loss shares the encoder's optimiser: one optimiser per parameter.
        self.encoder_opt = compute.adam(self.encoder, *auxiliary, lr=config.lr)
        self.actor_opt = compute.adam(self.pi, lr=config.lr)
        self.critic_opt = compute.adam(self.critic, lr=config.lr)

    def actor(self) -> PixelActor:
        return PixelActor(self._policy, with_noise, self.exploration)

    def exploration_std(self) -> float:
        """Standard deviation of the exploration noise at the present step."""
        return self.config.std(self.step)

    def exploration(self) -> dict[str, float]:
        return {"exploration_std": self.exploration_std()}

    def compile(self, backend: str = "inductor") -> None:
        """Encoder and critics; the actor stays eager, for DrM reads its neurons by hooks."""
        self.compute.compile(self.encoder, self.critic, self.critic_target, backend=backend)

    # ---------------------------------------------------------------- learning

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        obs, next_obs = self._augmented(batch)
        with self.split("encode"), self.compute.autocast():
            h = self.encoder(obs)
        metrics = self._update_value(h.detach(), batch)
        with self.split("targets"), torch.no_grad(), self.compute.autocast():
            y, found = self._targets(batch, self.encoder(next_obs))
        metrics |= found | self._update_critic(h, y, batch)
        metrics |= self._update_actor(h.detach())
        with self.split("targets"):
            polyak_(self.critic_target, self.critic, self.config.tau)
            self._follow_policy()
        return metrics

    def _update_value(self, h: Features, batch: Batch) -> dict[str, Tensor]:
        """Before the target: DrM has a V that the target reads."""
        return {}

    def _targets(self, batch: Batch, next_h: Features) -> tuple[Tensor, dict[str, Tensor]]:
        """y = sum_i gamma^i r_i + gamma^n V(s_{t+n})  (eq. 2)."""
        target_v = self._next_value(next_h)
        return batch.reward + batch.discount * target_v, {"target_v": target_v.mean()}

    def _next_value(self, next_h: Features) -> Tensor:
        """min_k Q'_k(s', a'), a' = mu(s') + clip(eps, -c, c)."""
        next_action = squashed_noise(
            self.pi(next_h).mu, self.exploration_std(), self.config.std_clip
        )
        return torch.min(*self.critic_target(next_h, self._latent(next_action)))

    def _update_critic(self, h: Features, y: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Critic and encoder, with the auxiliary loss where there is one."""
        with self.split("forward"), self.compute.autocast():
            q1, q2 = self.critic(h, self._latent(batch.action))
            loss = F.mse_loss(q1, y) + F.mse_loss(q2, y)
            metrics = {"critic_loss": loss.detach(), "q": q1.detach().mean()}
            if self.taco is not None:
                auxiliary, parts = self.taco.loss(self.encoder, h, batch, self.config.shift_pad)
                loss = loss + self.config.taco.weight * auxiliary
                metrics |= parts
        self._descend(loss, self.critic_opt, self.encoder_opt)
        return metrics

    def _update_actor(self, h: Features) -> dict[str, Tensor]:
        """max_phi min_k Q_k(s, a), a from the policy with clipped noise (eq. 3)."""
        with self.split("forward"), self.compute.autocast():
            out = self.pi(h)
            action = squashed_noise(out.mu, self.exploration_std(), self.config.std_clip)
            # The critic is only read here: without its gradient the backward pass is cheaper.
            self.critic.requires_grad_(False)
            q = torch.min(*self.critic(h, self._latent(action)))
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

    def _latent(self, action: Tensor) -> Tensor:
        return action if self.taco is None else self.taco.tokenizer(action).float()

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        critics = {"critic": self.critic, "critic_target": self.critic_target}
        named = {**super().modules(), **critics}
        return named if self.taco is None else {**named, "taco": self.taco}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"encoder": self.encoder_opt, "actor": self.actor_opt, "critic": self.critic_opt}


def with_noise(out: ActorOutput, exploration: Mapping[str, float]) -> Tensor:
    """a = mu(s) + eps, eps ~ N(0, std)."""
    return squashed_noise(out.mu, exploration["exploration_std"])


def drqv2_parts(
    config: DrQV2Config, interface: Interface
) -> tuple[StackedPolicy, Critic, TacoLoss | None]:
    """Policy, twin critic and auxiliary loss, as the whole family has them.

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
    critic = Critic(
        policy.encoder, critic_action_dim, net.feature_dim, net.hidden_dim, net.layer_norm
    )
    return policy, critic, taco


def build(config: DrQV2Config, interface: Interface, compute: Compute) -> DrQV2:
    policy, critic, taco = drqv2_parts(config, interface)
    return DrQV2(config, policy, critic, compute, taco)


DRQV2 = AgentEntry(DrQV2Config(), build, "off-policy actor-critic on shifted pixels")
TACO = AgentEntry(
    DrQV2Config(name="taco", taco=TacoConfig(weight=1.0)),
    build,
    "DrQ-v2 that contrasts state and action sequence with the future",
)

"""What the families of DrQ-v2 and SAC share: an ensemble of critics, its targets, one update.

A loss on the representation and strong augmentation plug in here.
"""

import copy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.agents.dynamics import DynamicsConfig, DynamicsLoss
from robot_rl.agents.pixel_agent import Explore, PixelActor, PixelAgent, PixelConfig
from robot_rl.augment import STRONG, strongly
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Features
from robot_rl.networks.ensemble import EnsembleCritic
from robot_rl.networks.layers import polyak_
from robot_rl.networks.stacked import StackedPolicy
from robot_rl.networks.values import Bins, ValueConfig, make_value
from robot_rl.replay.draws import Draws
from robot_rl.types import Batch, Interface


@dataclass(frozen=True, kw_only=True)
class StrongConfig:
    """SADA (Almuzairee et al. 2024, arXiv:2405.17416): `share` of the critic's loss, and the actor
    as a whole, see obs changed in a way drawn from `kinds`; targets and the actor's Q do not.
    """

    share: float = 0.0
    kinds: tuple[str, ...] = tuple(STRONG)

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise ConfigError(f"agent.strong.share is {self.share}; it lies in [0, 1).")
        if self.share and not self.kinds:
            raise ConfigError(f"agent.strong.kinds is empty; choose from: {', '.join(STRONG)}.")
        for kind in self.kinds:
            if kind not in STRONG:
                raise UnknownNameError("agent.strong.kinds", kind, STRONG)


@dataclass(frozen=True, kw_only=True)
class QConfig(PixelConfig):
    """`target_encoder`: the targets see through a slow copy of the encoder, too.

    `noise_correlation` is that of the exploration noise from one step to the next; 0 is published.
    """

    tau: float = 0.01
    actor_every_updates: int = 1
    target_encoder: bool = False
    noise_correlation: float = 0.0
    value: ValueConfig = field(default_factory=ValueConfig)
    dynamics: DynamicsConfig = field(default_factory=DynamicsConfig)
    strong: StrongConfig = field(default_factory=StrongConfig)

    def __post_init__(self) -> None:
        if self.actor_every_updates < 1:
            raise ConfigError(
                f"agent.actor_every_updates is {self.actor_every_updates}; it is at least 1."
            )
        if not 0.0 <= self.noise_correlation < 1.0:
            raise ConfigError(
                f"agent.noise_correlation is {self.noise_correlation}; it lies in [0, 1)."
            )

    @property
    def horizons(self) -> set[int]:
        """How many of the next steps each auxiliary loss looks at."""
        return {self.dynamics.horizon} if self.dynamics.weight else set()

    @property
    def draws(self) -> Draws:
        """Raises `ConfigError` where two losses look ahead by different numbers of steps."""
        if len(self.horizons) > 1:
            raise ConfigError(
                f"the auxiliary losses look {sorted(self.horizons)} steps ahead; one segment serves"
                " all of them: give agent.dynamics.horizon and agent.taco.horizon one value."
            )
        return replace(super().draws, segment=max(self.horizons, default=0))

    def idle(self) -> dict[str, str]:
        return {
            **super().idle(),
            **self.value.idle(),
            **({} if self.dynamics.weight else {"agent.dynamics.": "agent.dynamics.weight=1"}),
            **({} if self.strong.share else {"agent.strong.": "agent.strong.share=0.5"}),
        }


class QParts(NamedTuple):
    """The networks that every agent of both families has."""

    policy: StackedPolicy
    critic: EnsembleCritic
    dynamics: DynamicsLoss | None


class QAgent(PixelAgent):
    """Q' are the target critics. A subclass says what a target is and how its actor learns.

    `beside` are trained with the critics, by the same optimiser.
    """

    config: QConfig
    _policy: StackedPolicy

    def __init__(
        self, config: QConfig, parts: QParts, compute: Compute, beside: tuple[nn.Module, ...] = ()
    ) -> None:
        super().__init__(config, parts.policy, compute)
        self.critic = parts.critic.to(compute.device)
        self.critic_target = copy.deepcopy(self.critic).requires_grad_(False)
        self.encoder_target = self.encoder
        if config.target_encoder:
            self.encoder_target = copy.deepcopy(self.encoder).requires_grad_(False)
        self.dynamics = None if parts.dynamics is None else parts.dynamics.to(compute.device)
        auxiliary = beside if self.dynamics is None else (*beside, self.dynamics)
        self.critic_opt = compute.adam(self.encoder, self.critic, *auxiliary, lr=config.lr)

    def prepare(self, proprio: np.ndarray) -> None:
        super().prepare(proprio)
        self.encoder_target.scale.load_state_dict(self.encoder.scale.state_dict())

    def _actor(self, explore: Explore) -> PixelActor:
        """It collects by `explore`."""
        return PixelActor(self._policy, explore, self.exploration, self.config.noise_correlation)

    def compile(self, backend: str = "inductor") -> None:
        self.compute.compile(self.encoder, self.critic, self.critic_target, backend=backend)

    # ---------------------------------------------------------------- learning

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        obs, next_obs = self._augmented(batch)
        with self.split("encode"), self.compute.autocast():
            h = self.encoder(obs)
            seen = self._seen(obs, h)
        metrics = self._update_value(h.detach(), batch)
        with self.split("targets"), torch.no_grad(), self.compute.autocast():
            next_h = self.encoder_target(next_obs)
            target_v = self._next_value(next_h)
            y = batch.reward + batch.discount * target_v
        metrics |= {"target_v": target_v.mean()}
        metrics |= self._update_critic(h, seen, next_h, y, batch)
        if self._updates % self.config.actor_every_updates == 0:
            metrics |= self._update_actor(h.detach(), seen.detach(), batch)
        with self.split("targets"):
            for slow, fast in self._targets():
                polyak_(slow, fast, self.config.tau)
            self._follow_policy()
        return metrics

    def _seen(self, obs: dict[str, Tensor], h: Features) -> Features:
        """What the actor sees: `h`, or a strong augmentation of `obs`."""
        strong = self.config.strong
        return self.encoder(strongly(obs, strong.kinds)) if strong.share else h

    def _update_value(self, h: Features, batch: Batch) -> dict[str, Tensor]:
        """Before the target: DrM has a V that the target reads."""
        return {}

    def _next_value(self, next_h: Features) -> Tensor:
        """What the state after the transition is worth [B]. Abstract: every family defines it."""
        raise NotImplementedError

    def _update_actor(self, h: Features, seen: Features, batch: Batch) -> dict[str, Tensor]:
        """The policy acts on `seen` and is judged by Q on `h`. Abstract."""
        raise NotImplementedError

    def _critic_action(self, action: Tensor) -> Tensor:
        """What the critics see of a replayed action."""
        return action

    def _update_critic(
        self, h: Features, seen: Features, next_h: Features, y: Tensor, batch: Batch
    ) -> dict[str, Tensor]:
        """Every member against y; the encoder learns here alone, with the auxiliary losses."""
        value, share = self.critic.value, self.config.strong.share
        with self.split("forward"), self.compute.autocast():
            action = self._critic_action(batch.action)
            out = self.critic(h, action)
            loss = value.loss(out, y).mean(dim=1).sum()
            if share:
                strong = value.loss(self.critic(seen, action), y).mean(dim=1).sum()
                loss = (1.0 - share) * loss + share * strong
            auxiliary, metrics = self._auxiliary(h, next_h, batch)
        self._descend(loss + auxiliary, self.critic_opt)
        q = value.mean(out.detach())
        metrics |= {"critic_loss": loss.detach(), "q": q.mean(), "q_spread": q.std(dim=0).mean()}
        if isinstance(value, Bins):
            metrics["returns_outside"] = value.outside(y)
        return metrics

    def _auxiliary(
        self, h: Features, next_h: Features, batch: Batch
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        """What is added to the critics' loss, and its parts."""
        if self.dynamics is None:
            return 0.0, {}
        loss, parts = self.dynamics.loss(self.encoder_target, h, batch, self.config.shift_pad)
        return self.config.dynamics.weight * loss, parts

    # ------------------------------------------------------------------- state

    def _targets(self) -> list[tuple[nn.Module, nn.Module]]:
        """Each slow copy with what it follows."""
        pairs: list[tuple[nn.Module, nn.Module]] = [(self.critic_target, self.critic)]
        if self.config.target_encoder:
            pairs.append((self.encoder_target, self.encoder))
        return pairs

    def modules(self) -> dict[str, nn.Module]:
        named = {
            **super().modules(),
            "critic": self.critic,
            "critic_target": self.critic_target,
        }
        if self.config.target_encoder:
            named["encoder_target"] = self.encoder_target
        return named if self.dynamics is None else {**named, "dynamics": self.dynamics}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"critic": self.critic_opt}


def q_parts(
    config: QConfig,
    policy: StackedPolicy,
    interface: Interface,
    members: int,
    critic_action_dim: int,
) -> QParts:
    """Critics over `critic_action_dim` actions, and the loss on the representation where asked."""
    net, dynamics = config.network, None
    critic = EnsembleCritic(
        policy.encoder,
        critic_action_dim,
        net.feature_dim,
        net.hidden_dim,
        net.layer_norm,
        members,
        make_value(config.value),
    )
    if config.dynamics.weight:
        dynamics = DynamicsLoss(
            config.dynamics, policy.encoder, interface.action_size, net.feature_dim
        )
    return QParts(policy, critic, dynamics)

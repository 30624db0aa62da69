"""IQL: Offline RL with Implicit Q-Learning (Kostrikov et al. 2021, arXiv:2110.06169), from pixels.

No action is ever judged that is not in the data: V is an expectile of Q over what was done, Q looks
one step ahead to V, and the policy imitates what was better than V, the more the better it was.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.pixel_agent import PixelActor, stacked_policy
from robot_rl.agents.q_agent import QAgent, QConfig, QParts, q_parts
from robot_rl.errors import ConfigError
from robot_rl.measures import Measure, Shown
from robot_rl.networks.actor_critic import ActorOutput, Value, expectile_loss
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Features
from robot_rl.types import Batch, Interface


@dataclass(frozen=True, kw_only=True)
class IQLConfig(QConfig):
    """`expectile` tau and `temperature` beta of the paper; `max_weight` bounds what one action
    weighs.
    """

    name: str = "iql"
    seed_steps: int = 0
    nstep: int = 1
    lr: float = 3e-4
    tau: float = 0.005
    ensemble_size: int = 2
    expectile: float = 0.9
    temperature: float = 3.0
    max_weight: float = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.5 <= self.expectile < 1.0:
            raise ConfigError(f"agent.expectile is {self.expectile}; it lies in [0.5, 1).")


class IQL(QAgent):
    """Symbols of the paper: V, Q and its slow copy Q', pi."""

    config: IQLConfig
    shown: ClassVar[Shown] = {
        "critic_loss": Measure("critic loss"),
        "value_loss": Measure("value loss"),
        "advantage": Measure("mean advantage of what was done"),
    }

    def __init__(self, config: IQLConfig, parts: QParts, value: Value, compute: Compute) -> None:
        super().__init__(config, parts, compute)
        self.pi = parts.policy.actor
        self.value = value.to(compute.device)
        self.value_opt = compute.adam(self.value, lr=config.lr)
        self.actor_opt = compute.adam(self.pi, lr=config.lr)

    def actor(self) -> PixelActor:
        return self._actor(around_the_mean)

    # ---------------------------------------------------------------- learning

    def _advantage(self, h: Features, batch: Batch) -> Tensor:
        """min Q'(s, a) - V(s) [B] of what was done; V learns through it."""
        with torch.no_grad():
            q = self.critic_target.q(h, self._critic_action(batch.action)).amin(dim=0)
        return q - self.value(h)

    def _update_value(self, h: Features, batch: Batch) -> dict[str, Tensor]:
        """V towards an expectile of Q' over what was done (eq. 5)."""
        with self.split("forward"), self.compute.autocast():
            advantage = self._advantage(h, batch)
            loss = expectile_loss(advantage, self.config.expectile)
        self._descend(loss, self.value_opt)
        return {"value_loss": loss.detach(), "advantage": advantage.detach().mean()}

    def _next_value(self, next_h: Features) -> Tensor:
        """V(s') (eq. 6)."""
        return self.value(next_h)

    def _update_actor(self, h: Features, seen: Features, batch: Batch) -> dict[str, Tensor]:
        """max exp(beta A) log pi(a|s) (eq. 7)."""
        with self.split("forward"), self.compute.autocast():
            with torch.no_grad():
                weight = (self.config.temperature * self._advantage(h, batch)).exp()
                weight = weight.clamp(max=self.config.max_weight)
            out = self.pi(seen)
            log_prob = log_density(out, batch.action)
            loss = -(weight * log_prob).mean() + self._actor_regulariser(out)
        self._descend(loss, self.actor_opt)
        return {"actor_loss": loss.detach(), "weight": weight.mean()}

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        return {**super().modules(), "value": self.value}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {**super().optimizers(), "value": self.value_opt, "actor": self.actor_opt}


def log_density(out: ActorOutput, action: Tensor) -> Tensor:
    """log N(action | mu, std) [B]: around the squashed mean, so that an action on the border of the
    box, where experts like to be, has a density."""
    assert out.log_std is not None
    z = (action - out.mu) / out.log_std.exp()
    return (-0.5 * z.square() - out.log_std - 0.5 * math.log(2 * math.pi)).sum(dim=-1)


def around_the_mean(out: ActorOutput, exploration: Mapping[str, float], noise: Tensor) -> Tensor:
    """a ~ N(mu, std), inside the box."""
    assert out.log_std is not None
    return (out.mu + out.log_std.exp() * noise).clamp(-1.0, 1.0)


def build(config: IQLConfig, interface: Interface, compute: Compute) -> IQL:
    net = config.network
    policy = stacked_policy(net, interface, gaussian=True)
    parts = q_parts(config, policy, interface, config.ensemble_size, interface.action_size)
    value = Value(policy.encoder, net.feature_dim, net.hidden_dim, net.layer_norm)
    return IQL(config, parts, value, compute)


IQL_ENTRY = AgentEntry(IQLConfig(), build, "offline: imitates what was better than expected")

"""SAC from pixels (Haarnoja et al. 2018, arXiv:1812.05905), with the critic of REDQ (Chen et al.
2021, arXiv:2101.05982) and the augmentation of DrQ.

The base of the family that learns with people: RLPD, HIL-SERL and RLIF are settings of it or
override what they change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.pixel_agent import PixelActor, stacked_policy
from robot_rl.agents.q_agent import QAgent, QConfig, QParts, q_parts
from robot_rl.errors import ConfigError
from robot_rl.measures import Measure, Shown
from robot_rl.networks.actor_critic import ActorOutput
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Features
from robot_rl.networks.frames import single_frames
from robot_rl.networks.layers import gaussian_log_prob
from robot_rl.networks.policy import to_tensors
from robot_rl.types import Batch, Interface, Observation


@dataclass(frozen=True, kw_only=True)
class SACConfig(QConfig):
    """`ensemble_size` is N and `subset_size` M of REDQ."""

    name: str = "sac"
    nstep: int = 1
    tau: float = 0.005
    ensemble_size: int = 2
    subset_size: int = 2
    temperature_init: float = 0.01
    # Entropy that the temperature aims at, per action dimension.
    target_entropy_per_action: float = -0.5
    entropy_in_target: bool = False
    # The actor maximises the mean of the ensemble, or its minimum.
    actor_q: Literal["mean", "min"] = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.subset_size <= self.ensemble_size:
            raise ConfigError(
                f"agent.subset_size is {self.subset_size}; it lies between 1 and "
                f"agent.ensemble_size, {self.ensemble_size}."
            )


class Temperature(nn.Module):
    """alpha = exp(`log_alpha`)."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.tensor(float(initial)).log())

    def forward(self) -> Tensor:
        return self.log_alpha.exp()


class SAC(QAgent):
    """Symbols follow SAC: alpha, pi, Q; Q' is the target ensemble."""

    config: SACConfig
    shown: ClassVar[Shown] = {
        "critic_loss": Measure("critic loss"),
        "temperature": Measure("temperature (alpha)"),
    }

    def __init__(
        self,
        config: SACConfig,
        parts: QParts,
        action_dim: int,
        compute: Compute,
        beside: tuple[nn.Module, ...] = (),
    ) -> None:
        super().__init__(config, parts, compute, beside)
        self.pi = parts.policy.actor
        self.temperature = Temperature(config.temperature_init).to(compute.device)
        self.target_entropy = config.target_entropy_per_action * action_dim
        self.actor_opt = compute.adam(self._acting(), lr=config.lr)
        self.temperature_opt = compute.adam(self.temperature, lr=config.lr)

    def _acting(self) -> nn.Module:
        """What the actor's loss trains."""
        return self.pi

    def actor(self) -> PixelActor:
        return self._actor(by_sampling)

    def exploration(self) -> dict[str, float]:
        return {"temperature": float(self.temperature().detach())}

    def compile(self, backend: str = "inductor") -> None:
        self.compute.compile(self.encoder, self.critic, self.pi, backend=backend)

    @torch.inference_mode()
    def judge(self, obs: Observation, action: np.ndarray) -> float:
        """Q(s, a), the mean of the ensemble. Raises `ConfigError` with stacked frames."""
        if self.config.network.frame_stack > 1:
            raise ConfigError(
                "a critic that judges single actions sees one frame: agent.network.frame_stack=1."
            )
        h = self.encoder(single_frames(to_tensors([obs], self.compute.device)))
        chosen = self._critic_action(self.compute.tensor(action[None]))
        return float(self.critic.q(h, chosen).mean())

    # ---------------------------------------------------------------- learning

    def _next_value(self, next_h: Features) -> Tensor:
        """min over M random members of Q'(s', a'), a' ~ pi; less alpha log pi where asked."""
        action, log_prob = sample(self.pi(next_h))
        members = self.critic_target.draw_members(self.config.subset_size)
        value = self.critic_target.q(next_h, action, members).amin(dim=0)
        return value - self.temperature() * log_prob if self.config.entropy_in_target else value

    def _update_actor(self, h: Features, seen: Features, batch: Batch) -> dict[str, Tensor]:
        """max E[Q(s, a) - alpha log pi(a|s)], and alpha towards the target entropy."""
        alpha = self.temperature()
        with self.split("forward"), self.compute.autocast():
            out = self.pi(seen)
            action, log_prob = sample(out)
            self.critic.requires_grad_(False)
            q = self.critic.q(h, action)
            q = q.mean(dim=0) if self.config.actor_q == "mean" else q.amin(dim=0)
            loss = (alpha.detach() * log_prob - q).mean() + self._actor_regulariser(out)
        self._descend(loss, self.actor_opt)
        self.critic.requires_grad_(True)
        self._descend(
            alpha * -(log_prob.detach() + self.target_entropy).mean(), self.temperature_opt
        )
        return {
            "actor_loss": loss.detach(),
            "entropy": -log_prob.detach().mean(),
            "temperature": alpha.detach(),
        }

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        return {**super().modules(), "temperature": self.temperature}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        own = {"actor": self.actor_opt, "temperature": self.temperature_opt}
        return {**super().optimizers(), **own}


def sample(out: ActorOutput, eps: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """a = tanh(mean + std eps) [B, A], reparameterised, and log pi(a) [B]; eps ~ N(0, 1)."""
    assert out.log_std is not None
    eps = torch.randn_like(out.pre_tanh) if eps is None else eps
    pre_tanh = out.pre_tanh + out.log_std.exp() * eps
    return torch.tanh(pre_tanh), gaussian_log_prob(pre_tanh, out.pre_tanh, out.log_std)


def by_sampling(out: ActorOutput, exploration: Mapping[str, float], noise: Tensor) -> Tensor:
    """a ~ pi(s)."""
    return sample(out, noise)[0]


def build(config: SACConfig, interface: Interface, compute: Compute, kind: type[SAC] = SAC) -> SAC:
    action_dim = interface.action_size
    policy = stacked_policy(config.network, interface, gaussian=True)
    parts = q_parts(config, policy, interface, config.ensemble_size, action_dim)
    return kind(config, parts, action_dim, compute)


SAC_ENTRY = AgentEntry(SACConfig(), build, "soft actor-critic from pixels")

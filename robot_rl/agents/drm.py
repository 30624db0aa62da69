"""DrM: Mastering Visual RL through Dormant Ratio Minimization (Xu et al. 2023, arXiv:2310.19668).

DrQ-v2 with three uses of the dormant ratio beta of the actor: perturbation of all weights,
awakening exploration, and a value target that leans on past success once neurons are awake.
Unlike the released code the perturbation does reach the convolutions, and the target critic
receives the critic's own noise.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.dormant import DormantMeter, forget_, perturb_, perturbation_factor
from robot_rl.agents.drqv2 import DrQV2, DrQV2Config, drqv2_parts
from robot_rl.agents.q_agent import QParts
from robot_rl.agents.taco import TacoLoss
from robot_rl.measures import Measure, Shown
from robot_rl.networks.actor_critic import Value, expectile_loss
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Features
from robot_rl.networks.layers import fresh_copy
from robot_rl.types import Batch, Interface


@dataclass(frozen=True, kw_only=True)
class DrMConfig(DrQV2Config):
    """Symbols of the paper, section 4."""

    name: str = "drm"
    dormant_tau: float = 0.025
    dormant_target: float = 0.2  # beta-hat: below it the agent is awake
    exploration_temperature: float = 10.0
    exploration_scale: float = 1.0
    alpha_min: float = 0.2
    alpha_max: float = 0.9
    perturb_every_updates: int = 50_000
    expectile: float = 0.9
    lambda_max: float = 0.6
    lambda_temperature: float = 50.0
    # Once awake, the noise is at least the linear schedule `std`, counted from then.
    schedule_once_awake: bool = True


class DrM(DrQV2):
    """`beta` is the dormant ratio of the actor's last training pass."""

    config: DrMConfig
    shown: ClassVar[Shown] = {
        **DrQV2.shown,
        "dormant_ratio": Measure("dormant neurons", "share"),
    }

    def __init__(
        self,
        config: DrMConfig,
        parts: QParts,
        value: Value,
        compute: Compute,
        taco: TacoLoss | None = None,
    ) -> None:
        super().__init__(config, parts, compute, taco)
        self.value = value.to(compute.device)
        self.value_opt = compute.adam(self.value, lr=config.lr)
        self._meter = DormantMeter(self.pi, config.dormant_tau)
        self.beta = 1.0
        self.awake_step: int | None = None

    # ----------------------------------------------------- awakening exploration

    def exploration_std(self) -> float:
        """sigma_beta while asleep, then max(sigma_beta, linear schedule since awakening)."""
        sigma_beta = self.config.exploration_scale * self._logistic(
            self.config.exploration_temperature
        )
        if self.awake_step is None or not self.config.schedule_once_awake:
            return sigma_beta
        return max(sigma_beta, self.config.std(self.step - self.awake_step))

    def _logistic(self, temperature: float) -> float:
        """1 / (1 + exp(-temperature (beta - beta-hat)))."""
        return 1.0 / (1.0 + math.exp(-temperature * (self.beta - self.config.dormant_target)))

    # ------------------------------------------------------ dormant-aware targets

    def exploitation_lambda(self) -> float:
        """lambda = lambda_max / (1 + exp(T (beta - beta-hat))): high once awake."""
        return self.config.lambda_max * (1.0 - self._logistic(self.config.lambda_temperature))

    def _next_value(self, next_h: Features) -> Tensor:
        """lambda V(s') + (1 - lambda) min_k Q'_k(s', a')."""
        lam = self.exploitation_lambda()
        return lam * self.value(next_h) + (1.0 - lam) * super()._next_value(next_h)

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        if self._updates % self.config.perturb_every_updates == 0:
            self.perturb(
                perturbation_factor(self.beta, self.config.alpha_min, self.config.alpha_max)
            )
        metrics = super()._update(batch)
        self.beta = float(self._meter.ratio())
        if self.awake_step is None and self.beta < self.config.dormant_target:
            self.awake_step = self.step
        metrics["dormant_ratio"] = torch.tensor(self.beta)
        return metrics

    def _update_value(self, h: Features, batch: Batch) -> dict[str, Tensor]:
        """Expectile regression of V(s) on min_k Q_k(s, a) of replayed actions."""
        with self.split("forward"), self.compute.autocast():
            with torch.no_grad():
                q = self.critic.q(h, self._critic_action(batch.action)).amin(dim=0)
            loss = expectile_loss(q - self.value(h), self.config.expectile)
        self._descend(loss, self.value_opt)
        return {"value_loss": loss.detach()}

    # -------------------------------------------------------------- perturbation

    def perturb(self, alpha: float) -> None:
        """theta <- alpha theta + (1 - alpha) phi for encoder, actor, critics and V."""
        for name, module in self.perturbed().items():
            phi = self._fresh(name, module)
            perturb_(module, phi, alpha)
            for slow, fast in self._targets():
                if fast is module:
                    perturb_(slow, phi, alpha)  # noise of its own would tear them apart
        for optimizer in self.optimizers().values():
            forget_(optimizer)

    def perturbed(self) -> dict[str, nn.Module]:
        """What a perturbation touches, by name."""
        return {
            "encoder": self.encoder,
            "actor": self.pi,
            "critic": self.critic,
            "value": self.value,
        }

    def _fresh(self, name: str, module: nn.Module) -> Mapping[str, Tensor]:
        """phi: the weights of a newly initialised copy."""
        return dict(fresh_copy(module).named_parameters())

    # --------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        return {**super().modules(), "value": self.value}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {**super().optimizers(), "value": self.value_opt}

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "beta": self.beta,
            "awake_step": self.awake_step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.beta, self.awake_step = state["beta"], state["awake_step"]


def drm_parts(config: DrMConfig, interface: Interface, compute: Compute) -> dict[str, Any]:
    """What `DrM` and `Mentor` are made of, by the names of their arguments."""
    parts, taco = drqv2_parts(config, interface)
    net = config.network
    value = Value(parts.policy.encoder, net.feature_dim, net.hidden_dim, net.layer_norm)
    return {"config": config, "parts": parts, "value": value, "compute": compute, "taco": taco}


def build(config: DrMConfig, interface: Interface, compute: Compute) -> DrM:
    return DrM(**drm_parts(config, interface, compute))


DRM = AgentEntry(DrMConfig(), build, "perturb, explore and exploit by the share of dormant neurons")

"""TD-MPC2: Scalable, Robust World Models for Continuous Control (Hansen et al. 2024,
arXiv:2310.16828).

A latent model learns what actions lead to and what they earn; the agent plans in it, and a policy
prior and a terminal value learned beside it tell the planner where to look and how it goes on.
"""

# Shapes: B batch, H horizon, N critics, Z latent, A action

import copy
from dataclasses import dataclass, field, fields
from typing import ClassVar

import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.pixel_agent import PixelAgent, PixelConfig, PolicyActor
from robot_rl.agents.windows import stacks_of
from robot_rl.augment import random_shift
from robot_rl.measures import Measure, Shown
from robot_rl.networks.compute import Compute
from robot_rl.networks.layers import full_precision, polyak_
from robot_rl.networks.mppi import PlannerConfig
from robot_rl.networks.policy import Carry, Obs, Previous, acting
from robot_rl.networks.return_scale import ReturnScale
from robot_rl.networks.stacked import NetworkConfig
from robot_rl.networks.tdmpc2 import PLAN, LatentPolicy, ModelConfig
from robot_rl.networks.values import SYMLOG_BINS, ValueConfig
from robot_rl.replay.draws import Draws
from robot_rl.types import Interface, Segment

_JUDGES = 2  # critics of the ensemble that form a target and judge the prior
_PRIOR_EPS = 1e-5


@dataclass(frozen=True, kw_only=True)
class TDMPC2Config(PixelConfig):
    """Published values of the 5M model. `plan` false acts by the prior alone."""

    name: str = "tdmpc2"
    lr: float = 3e-4
    network: NetworkConfig = field(
        default_factory=lambda: NetworkConfig(encoder="tdmpc2", hidden_dim=512)
    )
    shift_pad: int = 3
    tau: float = 0.01
    latent_dim: int = 512
    simnorm_group: int = 8
    ensemble_size: int = 5
    dropout: float = 0.01
    value: ValueConfig = SYMLOG_BINS
    terminations: bool = False
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    plan: bool = True
    encoder_lr_scale: float = 0.3
    clip_grad_norm: float = 20.0
    rho: float = 0.5  # weight of a step further ahead
    consistency: float = 20.0
    reward_weight: float = 0.1
    value_weight: float = 0.1
    termination_weight: float = 1.0
    entropy: float = 1e-4

    @property
    def draws(self) -> Draws:
        return self.segments(self.planner.horizon, frame_stack=self.network.frame_stack)

    @property
    def model(self) -> ModelConfig:
        """Its settings stand here under the same names."""
        shared = {field.name: getattr(self, field.name) for field in fields(ModelConfig)}
        return ModelConfig(**shared)

    def idle(self) -> dict[str, str]:
        off = {"agent.nstep=": "an agent of transitions, such as agent=drqv2"}
        if not self.terminations:
            off["agent.termination_weight="] = "agent.terminations=true"
        return {**super().idle(), **self.value.idle(), **off}


class PlanningActor(PolicyActor):
    """Plans with fresh draws, picks an elite as its weight says, and adds the plan's spread."""

    _policy: LatentPolicy

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        policy = self._policy
        with acting(policy):
            z, carry = policy.see(obs, previous, carry)
            if not policy.config.plan:
                return policy.model.explore(z), carry
            gaussian, prior = (x.to(z.device) for x in policy.draw(len(z)))
            plan = policy.plan(z, carry[PLAN], gaussian, prior)
        chosen = torch.multinomial(plan.weight, 1).view(-1, 1, 1)
        wished = plan.elites[:, 0].gather(1, chosen.expand(-1, 1, plan.elites.shape[-1])).squeeze(1)
        noisy = wished + plan.std[:, 0] * torch.randn_like(wished)
        return noisy.clamp(-1.0, 1.0), {**carry, PLAN: plan.mean}


class TDMPC2(PixelAgent):
    """Symbols of the paper: d moves a latent on, R pays, p is the prior; Q' are target critics."""

    config: TDMPC2Config
    shown: ClassVar[Shown] = {
        "consistency_loss": Measure("error of the latent ahead"),
        "reward_loss": Measure("reward loss"),
        "value_loss": Measure("value loss"),
    }
    _policy: LatentPolicy

    def __init__(self, config: TDMPC2Config, policy: LatentPolicy, compute: Compute) -> None:
        super().__init__(config, policy, compute)
        self.model = policy.model
        self.critic_target = copy.deepcopy(self.model.critics).requires_grad_(False).eval()
        self.scale = ReturnScale().to(compute.device)
        ahead = (self.model.dynamics, self.model.rewards, self.model.critics)
        ends = () if self.model.ends is None else (self.model.ends,)
        self.model_opt = compute.adam(
            *ahead,
            *ends,
            lr=config.lr,
            slow=(policy.encoder, policy.head),
            slow_lr=config.encoder_lr_scale * config.lr,
        )
        self.prior_opt = compute.adam(self.model.pi, lr=config.lr, eps=_PRIOR_EPS)

    def actor(self) -> PlanningActor:
        return PlanningActor(self._policy)

    def compile(self, backend: str = "inductor") -> None:
        model = self.model
        self.compute.compile(
            self.encoder, model.dynamics, model.rewards, model.critics, backend=backend
        )

    # ---------------------------------------------------------------- learning

    def _update(self, batch: Segment) -> dict[str, Tensor]:
        with self.split("encode"):
            first, after = self._encoded(batch)
        with self.split("targets"), torch.no_grad(), full_precision(after):
            y = self._td_target(after, batch)
        with self.split("forward"), full_precision(after):
            latents = torch.cat(
                (first.unsqueeze(1), self.model.rollout(first, batch.action)), dim=1
            )
            loss, metrics = self._model_loss(latents, after, y, batch)
        self._descend(loss, self.model_opt, clip=self.config.clip_grad_norm)
        metrics |= self._update_prior(latents.detach(), batch.mask)
        with self.split("targets"):
            polyak_(self.critic_target, self.model.critics, self.config.tau)
            self._follow_policy()
        return metrics

    def _encoded(self, batch: Segment) -> tuple[Tensor, Tensor]:
        """z_0 [B, Z] with gradient, and what is seen after each step [B, H, Z] without."""
        size, horizon = batch.mask.shape
        with self.compute.autocast():
            every = random_shift(stacks_of(batch, 0), self.config.shift_pad)
            every = {key: x.unflatten(0, (size, horizon + 1)) for key, x in every.items()}
            first = self._policy.encode({key: x[:, 0] for key, x in every.items()})
            with torch.no_grad():
                rest = {key: x[:, 1:].flatten(0, 1) for key, x in every.items()}
                after = self._policy.encode(rest)
        return first.float(), after.float().unflatten(0, (size, horizon))

    def _td_target(self, after: Tensor, batch: Segment) -> Tensor:
        """y_t = r_t + gamma min over two random Q'(z_t+1, a), a ~ p(z_t+1), [B, H] (eq. 4)."""
        prior = self.model.prior(after)
        action = prior.action(torch.randn_like(prior.mean))
        q = self._judged(self.critic_target, after, action).amin(dim=0)
        goes_on = 1.0 - batch.terminated.float()
        return batch.reward + self.config.gamma * goes_on * q

    def _judged(self, critics: nn.Module, z: Tensor, action: Tensor) -> Tensor:
        """Returns [2, ...] that two critics at random expect of `z` and `action` [..., .]."""
        members = torch.randperm(self.config.ensemble_size)[:_JUDGES]
        pairs = torch.cat((z, action), dim=-1)
        out = critics(pairs.flatten(0, -2), members)
        return self.model.value.mean(out).unflatten(1, z.shape[:-1])

    def _model_loss(
        self, latents: Tensor, after: Tensor, y: Tensor, batch: Segment
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 3: sum over steps of rho^t (consistency + reward + value), over what is there."""
        config, model, value = self.config, self.model, self.model.value
        before = latents[:, :-1]
        q = model.q(before.flatten(0, 1), batch.action.flatten(0, 1))
        errors = {
            "consistency": (latents[:, 1:] - after).square().mean(dim=-1),
            "reward": value.loss(model.reward(before, batch.action), batch.reward),
            "value": value.loss(q, y.flatten(-2)).mean(dim=0).view_as(batch.reward),
        }
        weights = {
            "consistency": config.consistency,
            "reward": config.reward_weight,
            "value": config.value_weight,
        }
        if model.ends is not None:
            end = model.ends(latents[:, 1:]).squeeze(-1)
            errors["termination"] = nn.functional.binary_cross_entropy_with_logits(
                end, batch.terminated.float(), reduction="none"
            )
            weights["termination"] = config.termination_weight
        parts = {name: self._ahead(error, batch.mask) for name, error in errors.items()}
        loss = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        metrics = {f"{name}_loss": part.detach() for name, part in parts.items()}
        metrics["q"] = value.mean(q.detach()).mean()
        metrics["returns_outside"] = value.outside(y)
        return loss, metrics

    def _ahead(self, error: Tensor, mask: Tensor) -> Tensor:
        """Mean of `error` [B, T], step t weighted by rho^t, over the steps that are there."""
        rho = self.config.rho ** torch.arange(error.shape[1], device=error.device)
        return (error * rho * mask).sum() / mask.sum().clamp(min=1)

    def _update_prior(self, latents: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """max Q / S + beta H over latents [B, H + 1, Z]; S follows the range of Q (eq. 5)."""
        with self.split("forward"), full_precision(latents):
            self.model.critics.requires_grad_(False)
            prior = self.model.prior(latents)
            eps = torch.randn_like(prior.mean)
            q = self._judged(self.model.critics, latents, prior.action(eps)).mean(dim=0)
            self.scale.follow(q[:, 0].detach())
            # As released: of the Gaussian before its tanh, times the number of actions.
            entropy = prior.entropy_of(eps) * self.model.action_dim
            there = torch.cat((torch.ones_like(mask[:, :1]), mask), dim=1)
            loss = -self._ahead(self.scale(q) + self.config.entropy * entropy, there)
        self._descend(loss, self.prior_opt, clip=self.config.clip_grad_norm)
        self.model.critics.requires_grad_(True)
        return {
            "prior_loss": loss.detach(),
            "prior_entropy": prior.entropy_of(eps).detach().mean(),
            "return_scale": self.scale.value.clone(),
        }

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        own = {"critic_target": self.critic_target, "scale": self.scale}
        return {**super().modules(), **own}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"model": self.model_opt, "prior": self.prior_opt}


def build(config: TDMPC2Config, interface: Interface, compute: Compute) -> TDMPC2:
    return TDMPC2(config, LatentPolicy(config.model, interface), compute)


TDMPC2_ENTRY = AgentEntry(TDMPC2Config(), build, "plans in a latent model that it learns")

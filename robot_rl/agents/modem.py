"""MoDem-V2: Visuo-Motor World Models for Real-World Robot Manipulation (Lancaster et al. 2024,
arXiv:2309.14236), on TD-MPC2.

A policy is cloned from demonstrations; the agent then acts by it, and hands more and more steps to
a planner that stays near what its actors would do and shuns what its critics disagree on.
"""

# Shapes: B batch, H horizon, K actors, N critics, Z latent, A action

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.tdmpc2 import TDMPC2, PlanningActor, TDMPC2Config
from robot_rl.agents.windows import stacks_of
from robot_rl.augment import random_shift
from robot_rl.errors import ConfigError
from robot_rl.measures import Measure, Shown
from robot_rl.networks.compute import Compute
from robot_rl.networks.layers import full_precision
from robot_rl.networks.modem import ActorsConfig, ActorsPolicy
from robot_rl.networks.mppi import PlannerConfig
from robot_rl.networks.policy import Carry, Obs, Policy, Previous, acting
from robot_rl.networks.tdmpc2 import PLAN
from robot_rl.replay.draws import Draws
from robot_rl.types import Interface, Segment


@dataclass(frozen=True, kw_only=True)
class MoDemConfig(TDMPC2Config):
    """Published values. Demonstrations come with `demos=[FOLDER]`, cloning with `offline_updates`.

    For `handover_after` steps the cloned policy acts, and the model learns on what it sees; then
    all of it learns, and the planner takes over, from no step to every one within `handover_steps`;
    0 plans from there on. The share of demonstrations in a batch goes from `taught_fraction` to
    `taught_final` within `taught_steps`.
    """

    name: str = "modem"
    seed_steps: int = 0
    gamma: float = 0.95
    ensemble_size: int = 10
    actors: int = 5
    noise_std: float = 0.1
    centred: bool = True
    spread_weight: float = 10.0
    planner: PlannerConfig = field(default_factory=lambda: PlannerConfig(horizon=5, samples=510))
    handover_after: int = 5_000
    handover_steps: int = 100_000
    taught_fraction: float = 0.5
    taught_final: float = 0.25
    taught_steps: int = 50_000

    def __post_init__(self) -> None:
        if min(self.handover_after, self.handover_steps) < 0:
            raise ConfigError(
                f"agent.handover_after={self.handover_after} and agent.handover_steps="
                f"{self.handover_steps} count steps; neither is below 0."
            )

    @property
    def draws(self) -> Draws:
        return self.segments(
            self.planner.horizon,
            frame_stack=self.network.frame_stack,
            taught_final=self.taught_final,
            taught_steps=self.taught_steps,
        )

    @property
    def model(self) -> ActorsConfig:
        shared = {x.name: getattr(self, x.name) for x in fields(ActorsConfig)}
        return ActorsConfig(**shared)

    def agency(self, step: int) -> float:
        """Probability that the planner acts at `step`."""
        since = step - self.handover_after
        if not self.handover_steps:
            return float(since >= 0)
        return min(max(since / self.handover_steps, 0.0), 1.0)

    def idle(self) -> dict[str, str]:
        off = {"agent.entropy=": "an agent with a Gaussian prior, agent=tdmpc2"}
        if self.centred:
            off["agent.planner.iterations="] = "agent.centred=false"
            off["agent.planner.prior_samples="] = "agent.centred=false"
        return {**super().idle(), **off}


class HandoverActor(PlanningActor):
    """By the planner with the probability `agency`, by the cloned policy else."""

    _policy: ActorsPolicy

    def __init__(
        self, policy: ActorsPolicy, cloned: ActorsPolicy, agency: Callable[[], float]
    ) -> None:
        super().__init__(policy)
        self._cloned, self._agency = cloned, agency

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        n = len(previous.first)
        plans = torch.rand(n) < self._agency()
        if plans.all():
            return super().step(obs, previous, carry)
        action, kept = self._as_cloned(obs, previous, carry)
        if not plans.any():
            return action, kept
        planned, meant = super().step(obs, previous, carry)
        chosen = plans.to(action.device).unsqueeze(-1)
        plan = torch.where(chosen.unsqueeze(-1), meant[PLAN], kept[PLAN])
        return torch.where(chosen, planned, action), {**meant, PLAN: plan}

    def _as_cloned(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        """With the noise of an actor; no plan is meant then."""
        with acting(self._cloned):
            z, kept = self._cloned.see(obs, previous, carry)
            action = self._cloned.model.explore(z)
        return action, {**kept, PLAN: torch.zeros_like(kept[PLAN])}

    def state_dict(self) -> dict[str, Any]:
        cloned = {"cloned": self._cloned.state_dict(), "agency": self._agency()}
        return {**super().state_dict(), **cloned}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._cloned.load_state_dict(state["cloned"])
        self._agency = lambda: state["agency"]


class MoDem(TDMPC2):
    """As TD-MPC2, with K actors pi_k and the critics Q_k of each. `cloned` is what was imitated."""

    config: MoDemConfig
    shown: ClassVar[Shown] = {
        **TDMPC2.shown,
        "cloning_loss": Measure("error of the imitated action (mean square)"),
        "agency": Measure("steps that the planner takes", "share"),
    }
    _policy: ActorsPolicy
    _policy_ema: ActorsPolicy

    def __init__(self, config: MoDemConfig, policy: ActorsPolicy, compute: Compute) -> None:
        super().__init__(config, policy, compute)
        self.cloned = policy.with_settings({"plan": False})
        self.cloning_opt = compute.adam(*self._imitating(self.cloned), lr=config.lr)
        self._cloned_updates = 0
        self._began = False  # to learn the model

    def prepare(self, proprio: np.ndarray) -> None:
        super().prepare(proprio)
        self.cloned.encoder.scale.load_state_dict(self.encoder.scale.state_dict())

    def actor(self) -> HandoverActor:
        return HandoverActor(self._policy, self.cloned, self._agency)

    def policy(self) -> Policy:
        """What was cloned, until the planner begins to take over."""
        return self.cloned if self._seeds else super().policy()

    def last_policy(self) -> Policy:
        return self.cloned if self._seeds else super().last_policy()

    def exploration(self) -> dict[str, float]:
        return {"agency": self._agency()}

    def _agency(self) -> float:
        if not self._cloned_updates:
            return 1.0
        return self.config.agency(self.step) if self._began else 0.0

    @property
    def _seeds(self) -> bool:
        """Whether what was cloned acts alone, and stays as it is."""
        seeding = not self._began or self.step <= self.config.handover_after
        return self._cloned_updates > 0 and seeding

    # ---------------------------------------------------------------- learning

    def _update(self, batch: Segment) -> dict[str, Tensor]:
        if not self.step and not self._began:
            return self._clone(batch)
        if not self._began:
            self._begin()
        for sees in (self._policy.encoder, self._policy.head):
            sees.requires_grad_(not self._seeds)
        return super()._update(batch)

    def _clone(self, batch: Segment) -> dict[str, Tensor]:
        """The mean square error of the first actor's action, where somebody taught."""
        self._cloned_updates += 1
        cloned = self.cloned
        with self.split("encode"), self.compute.autocast():
            every = random_shift(stacks_of(batch, 0), self.config.shift_pad)
            z = cloned.encode(every).float().unflatten(0, (len(batch.mask), -1))[:, :-1]
        with self.split("forward"), full_precision(z):
            action = cloned.model.action(z.flatten(0, 1)).view_as(batch.label)
            error = (action - batch.label).square().mean(dim=-1)
            known = batch.mask * batch.taught
            loss = (error * known).sum() / known.sum().clamp(min=1)
        self._descend(loss, self.cloning_opt, clip=self.config.clip_grad_norm)
        return {"cloning_loss": loss.detach()}

    def _begin(self) -> None:
        """From here on the model is learned: all that sees and acts begins as it was cloned."""
        self._began = True
        if not self._cloned_updates:
            return
        for policy in (self._policy, self._policy_ema):
            for ours, theirs in zip(
                self._imitating(policy), self._imitating(self.cloned), strict=True
            ):
                ours.load_state_dict(theirs.state_dict())
            for parameter in policy.model.pi.parameters():
                parameter.data.copy_(parameter.data[:1].expand_as(parameter))

    def _imitating(self, policy: ActorsPolicy) -> tuple[nn.Module, ...]:
        return policy.encoder, policy.head, policy.model.pi

    def _td_target(self, after: Tensor, batch: Segment) -> Tensor:
        """y_k = r + gamma min over its own Q'(z', a), a of its own actor: [N, B, H]."""
        z = after.flatten(0, 1)
        actors = self._policy.model.actors(z)
        action = actors.action(torch.randn_like(actors.mean))
        each = self.config.ensemble_size // self.config.actors
        q = self._policy.model.own_q(self.critic_target, z, action).amin(dim=1)
        goes_on = self.config.gamma * (1.0 - batch.terminated.float())
        y = batch.reward + goes_on * q.unflatten(1, batch.reward.shape)
        return y.repeat_interleave(each, dim=0)

    def _update_prior(self, latents: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """max min over its own Q of each actor, over latents [B, H + 1, Z]."""
        if self._seeds:
            return {}
        model = self._policy.model
        with self.split("forward"), full_precision(latents):
            model.critics.requires_grad_(False)
            z = latents.flatten(0, 1)
            actors = model.actors(z)
            action = actors.action(torch.randn_like(actors.mean))
            q = model.own_q(model.critics, z, action).amin(dim=1)
            q = q.unflatten(1, latents.shape[:2])
            self.scale.follow(q[:, :, 0].detach())
            there = torch.cat((torch.ones_like(mask[:, :1]), mask), dim=1)
            loss = -torch.stack([self._ahead(self.scale(x), there) for x in q]).sum()
        self._descend(loss, self.prior_opt, clip=self.config.clip_grad_norm)
        model.critics.requires_grad_(True)
        return {"prior_loss": loss.detach(), "return_scale": self.scale.value.clone()}

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        return {**super().modules(), "cloned": self.cloned}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {**super().optimizers(), "cloning": self.cloning_opt}

    def state_dict(self) -> dict[str, Any]:
        own = {"cloned_updates": self._cloned_updates, "began": self._began}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._cloned_updates, self._began = state["cloned_updates"], state["began"]


def build(config: MoDemConfig, interface: Interface, compute: Compute) -> MoDem:
    return MoDem(config, ActorsPolicy(config.model, interface), compute)


MODEM = AgentEntry(
    MoDemConfig(), build, "hands over from a cloned policy to a planner that stays near it"
)

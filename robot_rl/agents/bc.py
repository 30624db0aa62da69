"""Behaviour cloning from pixels, and its interactive kin.

HG-DAgger (Kelly et al. 2019, arXiv:1810.02890) is the same loss on a set that grows by what the
human does when he takes over; IWR (Mandlekar et al. 2020, arXiv:2012.06733) draws half of every
batch from those interventions and half from demonstrations and what the policy did by itself, and
clones what was applied in both. DAgger (Ross et al. 2011) learns at every state for which it was
told what the human would have done (`Batch.label`). Each is a `mix` of what is drawn.

Reward-aligned cloning (RA-BC, of SARM, Chen et al. 2025, arXiv:2509.25358) weighs each step by the
progress that labels say the next `nstep` steps brought: poor episodes teach by their good parts.

With `memory=gru` the policy is recurrent and learns from windows of episodes (BC-RNN, Mandlekar et
al. 2021, arXiv:2108.03298).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from robot_rl.agents.base import Actor, AgentEntry
from robot_rl.agents.pixel_agent import (
    PixelActor,
    PixelAgent,
    PixelConfig,
    greedy,
    stacked_policy,
)
from robot_rl.augment import random_shift
from robot_rl.errors import ConfigError
from robot_rl.measures import Measure, Shown
from robot_rl.networks.compute import Compute
from robot_rl.networks.policy import Previous
from robot_rl.networks.progress_weight import ProgressWeight
from robot_rl.networks.recurrent import RecurrentConfig, RecurrentPolicy
from robot_rl.networks.stacked import StackedPolicy
from robot_rl.replay.draws import Draws
from robot_rl.types import Batch, Interface, Segment

SHOWN: Shown = {"bc_loss": Measure("error of the imitated action (mean square)")}


@dataclass(frozen=True, kw_only=True)
class BCConfig(PixelConfig):
    """`taught_fraction` 1: demonstrations and interventions alone.

    `target` is what is cloned: the action that was applied, or the human's where it is known.
    """

    name: str = "bc"
    seed_steps: int = 0
    nstep: int = 1
    taught_fraction: float = 1.0
    target: Literal["label", "applied"] = "label"
    memory: Literal["none", "gru"] = "none"
    memory_dim: int = 128
    segment_length: int = 10  # steps of a window, with memory
    # `progress`: a step counts by the rewards of its `nstep` steps, which are progress where labels
    # pay it; from `kappa` on it counts whole.
    weighting: Literal["none", "progress"] = "none"
    kappa: float = 0.01

    def __post_init__(self) -> None:
        if self.weighting == "progress" and self.memory != "none":
            raise ConfigError(
                "agent.weighting=progress weighs single steps, and agent.memory=gru learns from "
                "windows: choose one of them."
            )

    @property
    def needs(self) -> Literal["nobody", "human", "teacher"]:
        return "teacher"

    def wanted(self, batch: Batch | Segment) -> Tensor:
        """The action to clone."""
        return batch.label if self.target == "label" else batch.action

    @property
    def draws(self) -> Draws:
        if self.memory == "none":
            return super().draws
        return self.segments(self.segment_length)


class BC(PixelAgent):
    """A deterministic policy, mean square error of actions in [-1, 1]."""

    config: BCConfig
    shown: ClassVar[Shown] = SHOWN
    _policy: StackedPolicy

    def __init__(self, config: BCConfig, policy: StackedPolicy, compute: Compute) -> None:
        super().__init__(config, policy, compute)
        self.pi = policy.actor
        self.opt = compute.adam(self.encoder, self.pi, lr=config.lr)
        self.weight = ProgressWeight(config.kappa).to(compute.device)

    def actor(self) -> Actor:
        return PixelActor(self._policy, greedy, self.exploration)

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        obs, _ = self._augmented(batch)
        with self.split("forward"), self.compute.autocast():
            out = self.pi(self.encoder(obs))
            errors = (out.mu - self.config.wanted(batch)).square().mean(dim=-1)
            error = self._weighted(errors, batch.reward)
            loss = error + self._actor_regulariser(out)
        self._descend(loss, self.opt)
        self._follow_policy()
        return {"bc_loss": error.detach()}

    def _weighted(self, errors: Tensor, progress: Tensor) -> Tensor:
        """The mean of `errors` [B], each counted by the progress that its step brought."""
        if self.config.weighting == "none":
            return errors.mean()
        self.weight.follow(progress)
        weight = self.weight(progress)
        return (weight * errors).sum() / weight.sum().clamp(min=1e-6)

    def modules(self) -> dict[str, torch.nn.Module]:
        return {**super().modules(), "weight": self.weight}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"policy": self.opt}


class RecurrentBC(PixelAgent):
    """The same loss along windows of episodes. The memory is told what was really applied.

    The first step of a window begins with an empty memory wherever the window lies; the
    observations are shifted by one draw a window, as a camera that was moved would show them.
    """

    config: BCConfig
    shown: ClassVar[Shown] = SHOWN
    _policy: RecurrentPolicy

    def __init__(self, config: BCConfig, policy: RecurrentPolicy, compute: Compute) -> None:
        super().__init__(config, policy, compute)
        self.opt = compute.adam(self._policy, lr=config.lr)

    def actor(self) -> Actor:
        return self._policy

    def _update(self, batch: Segment) -> dict[str, Tensor]:
        length = batch.action.shape[1]
        with self.split("augment"):
            shifted = random_shift(batch.obs, self.config.shift_pad)
            obs = {key: x[:, :length] for key, x in shifted.items()}
        with self.split("forward"), self.compute.autocast():
            actions = self._policy.unroll(obs, told(batch))
            error = (actions - self.config.wanted(batch)).square().mean(dim=-1)
            known = batch.mask * batch.labelled if self.config.mix == "labelled" else batch.mask
            loss = (error * known).sum() / known.sum().clamp(min=1)
        self._descend(loss, self.opt)
        self._follow_policy()
        return {"bc_loss": loss.detach()}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"policy": self.opt}


def told(batch: Segment) -> Previous:
    """What a policy hears along a window [B, T]; at its start nothing, for the memory is empty."""
    length = batch.action.shape[1]
    first = batch.is_first[:, :length].bool().clone()
    first[:, 0] = True
    action = torch.cat((torch.zeros_like(batch.action[:, :1]), batch.action[:, :-1]), dim=1)
    own = torch.cat((torch.zeros_like(batch.own[:, :1]), batch.own[:, :-1]), dim=1)
    return Previous(action, own.bool(), first)


def build(config: BCConfig, interface: Interface, compute: Compute) -> BC | RecurrentBC:
    if config.memory == "none":
        return BC(config, stacked_policy(config.network, interface), compute)
    settings = RecurrentConfig(network=config.network, memory_dim=config.memory_dim)
    policy = RecurrentPolicy(settings, interface)
    policy.encoder.load_pretrained()
    return RecurrentBC(config, policy, compute)


BC_ENTRY = AgentEntry(BCConfig(), build, "behaviour cloning, with or without a memory")
RA_BC = AgentEntry(
    BCConfig(name="ra_bc", weighting="progress", nstep=10, gamma=1.0),
    build,
    "cloning in which a step counts by the progress that labels say it brought",
)
HG_DAGGER = AgentEntry(
    BCConfig(name="hg_dagger"), build, "cloning that goes on with what the human takes over for"
)
IWR = AgentEntry(
    BCConfig(name="iwr", taught_fraction=0.5, mix="interventions", target="applied"),
    build,
    "cloning, half interventions, half demonstrations and the policy's own steps",
)
DAGGER = AgentEntry(
    BCConfig(name="dagger", taught_fraction=0.0, mix="labelled"),
    build,
    "cloning of what a human would have done, at every step where one said it",
)

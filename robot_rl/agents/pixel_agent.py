"""What every agent over pixels shares: a policy, its running average, augmentation, optimisers."""

import copy
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentConfig
from robot_rl.augment import random_shift
from robot_rl.errors import ConfigError
from robot_rl.measures import Shown
from robot_rl.networks.actor_critic import ActorOutput
from robot_rl.networks.compute import Compute, Split, no_split, restore_optimizer
from robot_rl.networks.dreaming import DreamingPolicy
from robot_rl.networks.layers import polyak_
from robot_rl.networks.policy import Carry, Obs, Policy, Previous, acting
from robot_rl.networks.recurrent import RecurrentPolicy
from robot_rl.networks.stacked import NetworkConfig, StackedConfig, StackedPolicy
from robot_rl.networks.tdmpc2 import LatentPolicy
from robot_rl.replay.draws import Draws, Segments, Transitions
from robot_rl.types import Batch, Interface

# The action that collecting takes, from what the actor says, what exploring needs to know, and
# noise [B, A] that is standard normal at every step.
Explore = Callable[[ActorOutput, Mapping[str, float], Tensor], Tensor]

_NOISE = "noise"


@dataclass(frozen=True, kw_only=True)
class PixelConfig(AgentConfig):
    """`shift_pad` is the random shift's reach in pixels."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    nstep: int = 3
    shift_pad: int = 4
    # Evaluation and export use a running average of the policy's weights over about
    # 1 / (1 - decay) updates, which levels the swings of single updates; 0 uses the last weights.
    policy_ema_decay: float = 0.995
    # How batches are drawn and which reward they carry: see `Draws`.
    taught_fraction: float = 0.0
    mix: Literal["symmetric", "interventions", "labelled"] = "symmetric"
    reward: Literal["task", "takeover"] = "task"

    @property
    def draws(self) -> Draws:
        """What a batch is."""
        return Transitions(
            nstep=self.nstep,
            gamma=self.gamma,
            frame_stack=self.network.frame_stack,
            taught_fraction=self.taught_fraction,
            mix=self.mix,
            reward=self.reward,
        )

    def segments(self, length: int, **settings: Any) -> Segments:
        """Windows of `length` steps, drawn and paid as the batches are."""
        return Segments(
            length=length,
            gamma=self.gamma,
            taught_fraction=self.taught_fraction,
            mix=self.mix,
            reward=self.reward,
            **settings,
        )

    @property
    def needs(self) -> Literal["nobody", "human", "teacher"]:
        return "human" if self.reward == "takeover" else "nobody"

    def idle(self) -> dict[str, str]:
        dense = self.network.actor != "moe"
        return {"agent.network.moe.": "agent.network.actor=moe"} if dense else {}


def greedy(out: ActorOutput, exploration: Mapping[str, float], noise: Tensor) -> Tensor:
    """No exploration."""
    return out.mu


class PolicyActor:
    """Collects with a policy's newest weights. A subclass is its `step`."""

    def __init__(self, policy: Any) -> None:
        self.interface: Interface = policy.interface
        self._policy = policy

    def initial(self, n: int) -> Carry:
        return self._policy.initial(n)

    def state_dict(self) -> dict[str, Any]:
        return {"policy": self._policy.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._policy.load_state_dict(state["policy"])


class PixelActor(PolicyActor):
    """Acts by `explore` on what the actor says.

    With a `correlation` phi its noise follows itself, x_t = phi x_t-1 + sqrt(1 - phi^2) eps: what
    one step tries, the next ones go on with. White noise undoes itself within a few steps.
    """

    def __init__(
        self,
        policy: StackedPolicy,
        explore: Explore,
        exploration: Callable[[], Mapping[str, float]],
        correlation: float = 0.0,
    ) -> None:
        super().__init__(policy)
        self._explore, self._exploration = explore, exploration
        self._correlation = correlation

    def initial(self, n: int) -> Carry:
        noise = torch.zeros(n, self.interface.action_size, device=self._policy.device)
        return {**super().initial(n), _NOISE: noise}

    def step(self, obs: Obs, previous: Previous, carry: Carry) -> tuple[Tensor, Carry]:
        noise = self._noise(carry[_NOISE], previous.first)
        with acting(self._policy):
            out, kept = self._policy.output(obs, previous, carry)
        return self._explore(out, self._exploration(), noise), {**kept, _NOISE: noise}

    def _noise(self, before: Tensor, first: Tensor) -> Tensor:
        eps, phi = torch.randn_like(before), self._correlation
        onward = phi * before + math.sqrt(1.0 - phi**2) * eps
        return torch.where(first.unsqueeze(1), eps, onward)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "exploration": dict(self._exploration())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._exploration = lambda: state["exploration"]


class PixelAgent:
    """A policy that learns; a subclass is its `_update` and what that needs."""

    shown: ClassVar[Shown] = {}

    def __init__(
        self,
        config: PixelConfig,
        policy: StackedPolicy | RecurrentPolicy | LatentPolicy | DreamingPolicy,
        compute: Compute,
    ) -> None:
        self.config = config
        self.compute = compute
        self.step = 0
        self._updates = 0
        self.split: Split = no_split
        self._policy = policy.to(compute.device)
        self._policy_ema = copy.deepcopy(self._policy).requires_grad_(False).eval()
        self.encoder = self._policy.encoder

    def prepare(self, proprio: np.ndarray) -> None:
        """Raises `ConfigError` where proprio shall be scaled by data that is not there."""
        if not self.config.network.scale_proprio:
            return
        if not len(proprio):
            raise ConfigError("agent.network.scale_proprio needs demonstrations: demos=[FOLDER].")
        for policy in (self._policy, self._policy_ema):
            policy.encoder.scale.fit(proprio)

    def exploration(self) -> dict[str, float]:
        return {}

    def policy(self) -> Policy:
        return self._policy_ema

    def last_policy(self) -> Policy:
        return self._policy if self.config.policy_ema_decay else self._policy_ema

    def compile(self, backend: str = "inductor") -> None:
        self.compute.compile(self.encoder, backend=backend)

    def end_episode(self, episode_return: float) -> None:
        """Most agents learn from steps alone."""

    # ---------------------------------------------------------------- learning

    def update(self, batch: Batch) -> dict[str, Tensor]:
        self._updates += 1
        return self._update(batch.map(self.compute.tensor).scaled(self.config.reward_scale))

    def _update(self, batch: Batch) -> dict[str, Tensor]:
        """The agent's own part, on tensors. Abstract: every agent defines it."""
        raise NotImplementedError

    def _augmented(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """`obs` and `next_obs`, each shifted by its own draw."""
        pad = self.config.shift_pad
        with self.split("augment"):
            return random_shift(batch.obs, pad), random_shift(batch.next_obs, pad)

    def _follow_policy(self) -> None:
        polyak_(self._policy_ema, self._policy, 1.0 - self.config.policy_ema_decay)

    def _descend(
        self, loss: Tensor, *optimizers: torch.optim.Optimizer, clip: float = math.inf
    ) -> None:
        """One step of each. `clip` bounds the norm of the gradient that an optimiser sees."""
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        with self.split("backward"):
            loss.backward()
        with self.split("optimiser"):
            for optimizer in optimizers:
                if clip < math.inf:
                    groups = [group["params"] for group in optimizer.param_groups]
                    nn.utils.clip_grad_norm_(itertools.chain(*groups), clip)
                optimizer.step()

    def _actor_regulariser(self, out: ActorOutput) -> Tensor:
        """The balance of a mixture of experts, where the actor is one."""
        if out.balance_loss is None:
            return out.mu.new_zeros(())
        return self.config.network.moe.balance_scale * out.balance_loss

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        """Every network with weights of its own, by the name it is saved under."""
        return {"policy": self._policy, "policy_ema": self._policy_ema}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "updates": self._updates,
            "modules": {name: module.state_dict() for name, module in self.modules().items()},
            "optimizers": {name: opt.state_dict() for name, opt in self.optimizers().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self._updates = state["step"], state["updates"]
        for name, module in self.modules().items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self.optimizers().items():
            restore_optimizer(optimizer, state["optimizers"][name])


def stacked_policy(
    network: NetworkConfig, interface: Interface, *, gaussian: bool = False, discrete: bool = False
) -> StackedPolicy:
    """A fresh policy, with the encoder's pretrained weights where it has such a part."""
    config = StackedConfig(
        network=network,
        head="gaussian" if gaussian else "deterministic",
        gripper="discrete" if discrete else "continuous",
    )
    policy = StackedPolicy(config, interface)
    policy.encoder.load_pretrained()
    return policy

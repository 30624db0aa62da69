"""What every agent over pixels shares: an encoder, an actor, their running average, optimisers."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.agents.base import Carry, Mode
from robot_rl.augment import random_shift
from robot_rl.networks.actor_critic import Actor, ActorOutput
from robot_rl.networks.compute import Compute, Split, no_split
from robot_rl.networks.encoders import Encoder
from robot_rl.networks.gripper import GripperActor
from robot_rl.networks.layers import polyak_
from robot_rl.networks.policy import NetworkConfig, Policy
from robot_rl.replay.draws import Transitions
from robot_rl.types import Batch, Observation


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """What every agent has; the presets in `configs/` change what they must."""

    name: str = ""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    batch_size: int = 256
    nstep: int = 3
    gamma: float = 0.99
    # Rewards are multiplied by this before learning. Adam moves a weight by about lr an update, so
    # a Q of 200 takes thousands of them just to reach its scale.
    reward_scale: float = 1.0
    lr: float = 1e-4
    shift_pad: int = 4
    # Evaluation and export use a running average of the policy's weights over about
    # 1 / (1 - decay) updates, which levels the swings of single updates; 0 uses the last weights.
    policy_ema_decay: float = 0.995
    # How batches are drawn and which reward they carry: see `Draws`.
    taught_fraction: float = 0.0
    reward: Literal["task", "takeover"] = "task"

    @property
    def draws(self) -> Transitions:
        """What a batch is."""
        return Transitions(
            nstep=self.nstep,
            gamma=self.gamma,
            frame_stack=self.network.frame_stack,
            taught_fraction=self.taught_fraction,
            reward=self.reward,
        )


class PixelAgent:
    """Acting, augmentation and state; a subclass is its `_learn` and what that needs."""

    def __init__(
        self,
        config: AgentConfig,
        encoder: Encoder,
        actor: Actor | GripperActor,
        compute: Compute,
    ) -> None:
        self.config = config
        self.compute = compute
        self.step = 0
        self._updates = 0
        self.split: Split = no_split
        self.encoder = encoder.to(compute.device)
        self.actor = actor.to(compute.device)
        self._policy = Policy(self.encoder, self.actor, config.network.frame_stack)
        self._policy_ema = copy.deepcopy(self._policy).requires_grad_(False)

    def fit_proprio(self, rows: np.ndarray) -> None:
        """Scale proprio by what `rows` [N, P] of it look like; before learning."""
        for policy in (self._policy, self._policy_ema):
            policy.encoder.scale.fit(rows)

    # ------------------------------------------------------------------ acting

    @torch.inference_mode()
    def act(
        self, obs: Sequence[Observation], carry: Sequence[Carry], mode: Mode
    ) -> tuple[np.ndarray, list[Carry]]:
        """The carry is the stack of the last frames."""
        policy = self._policy_ema if mode == "eval" else self._policy
        out, frames = policy.output(obs, carry)
        action = out.mu if mode == "eval" else self._explore(out)
        return action.cpu().numpy(), frames

    def _explore(self, out: ActorOutput) -> Tensor:
        """The action that training takes."""
        return out.mu

    def exploration(self) -> dict[str, float]:
        return {}

    def policy(self) -> Policy:
        return self._policy_ema

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

    def _descend(self, loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        with self.split("backward"):
            loss.backward()
        with self.split("optimiser"):
            for optimizer in optimizers:
                optimizer.step()

    def _actor_regulariser(self, out: ActorOutput) -> Tensor:
        """The balance of a mixture of experts, where the actor is one."""
        if out.balance_loss is None:
            return out.mu.new_zeros(())
        return self.config.network.moe.balance_scale * out.balance_loss

    # ------------------------------------------------------------------- state

    def modules(self) -> dict[str, nn.Module]:
        """Every network with weights of its own, by the name it is saved under."""
        return {"encoder": self.encoder, "actor": self.actor, "policy_ema": self._policy_ema}

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
            optimizer.load_state_dict(state["optimizers"][name])

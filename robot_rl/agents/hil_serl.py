"""HIL-SERL: Precise and Dexterous Robotic Manipulation via Human-in-the-Loop RL (Luo et al. 2024,
arXiv:2410.21845).

RLPD for the arm, and for the gripper a critic over three commands (a double DQN, section 3.3) with
a penalty for each command that tells it otherwise, so that it does not chatter. The image encoder
is pretrained and frozen (`agent.network.encoder=efficientnet`) or learned; the reward is a
classifier's (`reward=classifier`), poses are relative to the episode's start
(`task.relative_frame`).
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.pixel_agent import PixelActor, stacked_policy
from robot_rl.agents.q_agent import QParts, q_parts
from robot_rl.agents.rlpd import RLPDConfig
from robot_rl.agents.sac import SAC, sample
from robot_rl.errors import ConfigError
from robot_rl.networks.actor_critic import ActorOutput
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Features
from robot_rl.networks.gripper import CHOICES, GripperActor, nearest_choice
from robot_rl.types import Batch, Interface


@dataclass(frozen=True, kw_only=True)
class HilSerlConfig(RLPDConfig):
    """Published values, but for the ensemble: 2 critics there."""

    name: str = "hil_serl"
    gamma: float = 0.97
    grasp_penalty: float = 0.02
    # Share of random gripper commands in training; the rest is left to the human.
    gripper_epsilon: float = 0.05


class HilSerl(SAC):
    """`pi` is a `GripperActor`: the critics of SAC see the arm's actions alone."""

    config: HilSerlConfig
    pi: GripperActor

    def __init__(
        self, config: HilSerlConfig, parts: QParts, action_dim: int, compute: Compute
    ) -> None:
        assert isinstance(parts.policy.actor, GripperActor)
        gripper = parts.policy.actor.gripper
        super().__init__(config, parts, action_dim - 1, compute, (gripper,))
        self.gripper_target = copy.deepcopy(gripper).requires_grad_(False)

    def _acting(self) -> nn.Module:
        return self.pi.arm

    def actor(self) -> PixelActor:
        return self._actor(with_random_gripper)

    def exploration(self) -> dict[str, float]:
        return {**super().exploration(), "gripper_epsilon": self.config.gripper_epsilon}

    def _critic_action(self, action: Tensor) -> Tensor:
        return action[:, :-1]

    def _targets(self) -> list[tuple[nn.Module, nn.Module]]:
        return [*super()._targets(), (self.gripper_target, self.pi.gripper)]

    def _auxiliary(
        self, h: Features, next_h: Features, batch: Batch
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        """(Q_g(s, a_g) - y_g)^2, y_g = r - penalty [told otherwise] + gamma Q'_g(s', a*)."""
        loss, metrics = super()._auxiliary(h, next_h, batch)
        taken = nearest_choice(batch.action[:, -1])
        with torch.no_grad():
            y = self._gripper_reward(batch) + batch.discount * self._next_gripper_value(next_h)
        q = _of_choice(self.pi.gripper(h), taken)
        gripper = (q - y).square().mean(dim=1).sum()
        return loss + gripper, {**metrics, "gripper_loss": gripper.detach()}

    def _gripper_reward(self, batch: Batch) -> Tensor:
        """In the scale of the reward, as all that is learned from."""
        penalty = self.config.reward_scale * self.config.grasp_penalty
        return batch.reward - penalty * batch.gripper_changes

    def _next_gripper_value(self, next_h: Features) -> Tensor:
        """Chosen by the critic, valued by its target (double DQN)."""
        best = self.pi.gripper(next_h).mean(dim=0).argmax(dim=-1)
        return _of_choice(self.gripper_target(next_h), best).amin(dim=0)

    def modules(self) -> dict[str, nn.Module]:
        return {**super().modules(), "gripper_target": self.gripper_target}


def _of_choice(q: Tensor, choice: Tensor) -> Tensor:
    """Q [N, B] of `choice` [B] out of [N, B, choices]."""
    return q.gather(-1, choice.expand(len(q), -1).unsqueeze(-1)).squeeze(-1)


def with_random_gripper(
    out: ActorOutput, exploration: Mapping[str, float], noise: Tensor
) -> Tensor:
    """The arm from its Gaussian; the gripper greedy, now and then random."""
    command = out.mu[:, -1:]
    drawn = torch.randint(len(CHOICES), command.shape, device=command.device)
    random = torch.rand_like(command) < exploration["gripper_epsilon"]
    choices = torch.tensor(CHOICES, device=command.device)
    return torch.cat(
        (sample(out, noise[:, :-1])[0], torch.where(random, choices[drawn], command)), dim=1
    )


def build(config: HilSerlConfig, interface: Interface, compute: Compute) -> HilSerl:
    """Raises `ConfigError` where the last action is no gripper's."""
    if interface.actions[-1].name != "gripper":
        raise ConfigError(
            f"hil_serl commands a gripper, but {interface.task} has none as its last action. "
            "Use agent=rlpd there."
        )
    action_dim = interface.action_size
    policy = stacked_policy(config.network, interface, gaussian=True, discrete=True)
    parts = q_parts(config, policy, interface, config.ensemble_size, action_dim - 1)
    return HilSerl(config, parts, action_dim, compute)


HIL_SERL = AgentEntry(
    HilSerlConfig(), build, "RLPD with a discrete gripper critic and a frozen image encoder"
)

"""An actor whose gripper is chosen among three commands by a critic of its own (HIL-SERL)."""

import torch
from torch import Tensor, nn

from robot_rl.axes import GRIPPER_DEADBAND
from robot_rl.networks.actor_critic import Actor, ActorOutput
from robot_rl.networks.encoders import Features
from robot_rl.networks.ensemble import EnsembleGripperCritic

# Values of the gripper's action, the last one of the interface: open, stay, close.
CHOICES = (-1.0, 0.0, 1.0)


class GripperActor(nn.Module):
    """`arm` gives all actions but the last; the last is the choice with the highest mean Q.

    `pre_tanh` and `log_std` of the output are the arm's alone.
    """

    def __init__(self, arm: Actor, gripper: EnsembleGripperCritic) -> None:
        super().__init__()
        self.arm = arm
        self.gripper = gripper
        self.register_buffer("choices", torch.tensor(CHOICES), persistent=False)

    def forward(self, features: Features) -> ActorOutput:
        out = self.arm(features)
        best = self.gripper(features).mean(dim=0).argmax(dim=-1)
        command = self.choices[best].unsqueeze(-1)  # type: ignore[index]
        return out._replace(mu=torch.cat((out.mu, command.to(out.mu.dtype)), dim=-1))


def nearest_choice(command: Tensor) -> Tensor:
    """Index of the choice [B] that a continuous gripper action [B] comes nearest to."""
    return (command > -GRIPPER_DEADBAND).long() + (command > GRIPPER_DEADBAND).long()

"""MENTOR: Mixture-of-Experts Network with Task-Oriented Perturbation (Huang et al. 2024,
arXiv:2410.14972).

DrM with a mixture of experts in the actor (`agent.network.actor: moe`, section 3.1) and a
perturbation that draws from the weights of the best training episodes (section 3.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.drm import DrM, DrMConfig, drm_parts
from robot_rl.networks.compute import Compute
from robot_rl.networks.stacked import NetworkConfig
from robot_rl.types import Interface

Snapshot = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class MentorConfig(DrMConfig):
    """`top_set_size` is |S_top|."""

    name: str = "mentor"
    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(actor="moe"))
    exploration_scale: float = 0.8
    schedule_once_awake: bool = False
    perturb_every_updates: int = 10_000
    top_set_size: int = 10


class TopSet:
    """S_top: the weights behind the `size` best training episodes, kept in CPU memory."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.members: list[tuple[float, Snapshot]] = []  # by return, worst first

    def admits(self, episode_return: float) -> bool:
        """Ask before taking a snapshot: most episodes do not enter."""
        return len(self.members) < self._size or episode_return > self.members[0][0]

    def add(self, episode_return: float, snapshot: Snapshot) -> None:
        self.members.append((episode_return, snapshot))
        self.members.sort(key=lambda member: member[0])
        del self.members[: -self._size]

    def draw(self, name: str) -> Tensor:
        """phi ~ N(mean, std) over the members, element by element."""
        stack = torch.stack([snapshot[name] for _, snapshot in self.members])
        return torch.normal(stack.mean(dim=0), stack.std(dim=0).clamp(min=1e-7))


class Mentor(DrM):
    """The encoder is perturbed as in DrM; actor, critics and V from the top set."""

    config: MentorConfig

    def __init__(self, config: MentorConfig, **parts: Any) -> None:
        super().__init__(config, **parts)
        self.top_set = TopSet(config.top_set_size)

    def end_episode(self, episode_return: float) -> None:
        if self.top_set.admits(episode_return):
            self.top_set.add(episode_return, self._snapshot())

    def _snapshot(self) -> Snapshot:
        return {
            f"{name}.{key}": parameter.detach().to("cpu", copy=True)
            for name, module in self.perturbed().items()
            if name != "encoder"
            for key, parameter in module.named_parameters()
        }

    def _fresh(self, name: str, module: nn.Module) -> Mapping[str, Tensor]:
        """phi from S_top; newly initialised for the encoder, or while S_top has no spread yet."""
        if name == "encoder" or len(self.top_set.members) < 2:
            return super()._fresh(name, module)
        return {key: self.top_set.draw(f"{name}.{key}") for key, _ in module.named_parameters()}

    def state_dict(self) -> dict[str, Any]:
        top = [{"return": score, "weights": snapshot} for score, snapshot in self.top_set.members]
        return {**super().state_dict(), "top_set": top}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.top_set.members = [(top["return"], top["weights"]) for top in state["top_set"]]


def build(config: MentorConfig, interface: Interface, compute: Compute) -> Mentor:
    return Mentor(**drm_parts(config, interface, compute))


MENTOR = AgentEntry(
    MentorConfig(),
    build,
    "mixture-of-experts actor, perturbation towards the best episodes' weights",
)

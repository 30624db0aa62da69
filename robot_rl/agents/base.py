"""What the training loop and the exporter need of an agent."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from torch import Tensor

from robot_rl.networks.compute import Split
from robot_rl.networks.policy import Policy
from robot_rl.types import Batch, Observation

Mode = Literal["train", "eval"]
# What an agent remembers within an episode of one environment; None at its start.
Carry = Any


class Agent(Protocol):
    """`step` is the number of environment steps so far; schedules read it, the loop sets it."""

    step: int
    split: Split

    def act(
        self, obs: Sequence[Observation], carry: Sequence[Carry], mode: Mode
    ) -> tuple[np.ndarray, list[Carry]]:
        """Actions float32 [N, A] for N environments and the carries for their next step."""
        ...

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step on every loss. Metrics stay tensors: reading one would wait for it."""
        ...

    def exploration(self) -> dict[str, float]:
        """What the metrics show about exploration at the present step."""
        ...

    def end_episode(self, episode_return: float) -> None:
        """A training episode ended."""
        ...

    def compile(self, backend: str = "inductor") -> None:
        """Compile what is worth it, in place."""
        ...

    def policy(self) -> Policy:
        """The part that is exported."""
        ...

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...

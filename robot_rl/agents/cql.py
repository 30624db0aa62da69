"""CQL: Conservative Q-Learning (Kumar et al. 2020, arXiv:2006.04779) and Cal-QL (Nakamoto et al.
2023, arXiv:2303.05479), from pixels.

SAC whose critics are pushed down on actions that the policy would take and up on those of the data.
Cal-QL stops pushing where Q falls below what was really earned from there: a policy that learned
offline then does not have to unlearn its pessimism online.
"""

# Shapes: B batch, N critics, K actions drawn for a state, F features

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.pixel_agent import stacked_policy
from robot_rl.agents.q_agent import q_parts
from robot_rl.agents.sac import SAC, SACConfig, sample
from robot_rl.errors import ConfigError
from robot_rl.measures import Measure, Shown
from robot_rl.networks.compute import Compute
from robot_rl.networks.encoders import Features
from robot_rl.replay.draws import Draws
from robot_rl.types import Batch, Interface


@dataclass(frozen=True, kw_only=True)
class CQLConfig(SACConfig):
    """`conservatism` alpha weighs the push, over `drawn` actions of each kind. `calibrated` is
    Cal-QL.
    """

    name: str = "cql"
    seed_steps: int = 0
    conservatism: float = 5.0
    drawn: int = 10
    calibrated: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.drawn < 1 or self.conservatism < 0:
            raise ConfigError(
                f"agent.drawn={self.drawn} and agent.conservatism={self.conservatism}: at least "
                "one action, and a weight not below 0."
            )

    @property
    def draws(self) -> Draws:
        return replace(super().draws, returns_to_go=self.calibrated)


class CQL(SAC):
    config: CQLConfig
    shown: ClassVar[Shown] = {**SAC.shown, "push": Measure("how far Q of other actions lies above")}

    def _auxiliary(
        self, h: Features, next_h: Features, batch: Batch
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        """log sum exp Q of drawn actions, weighed by their density, less Q of what was done."""
        auxiliary, metrics = super()._auxiliary(h, next_h, batch)
        q = self._q_of_drawn(h, next_h, batch)
        above = torch.logsumexp(q, dim=1) - math.log(q.shape[1])
        done = self.critic.q(h, self._critic_action(batch.action))
        push = (above - done).mean(dim=1).sum()
        loss = auxiliary + self.config.conservatism * push
        return loss, {**metrics, "push": push.detach() / len(q)}

    def _q_of_drawn(self, h: Features, next_h: Features, batch: Batch) -> Tensor:
        """Q(s, a) - log density of a [N, 3 K, B]: drawn evenly, by pi(s), and by pi(s')."""
        count = self.config.drawn
        size = batch.action.shape
        even = 2.0 * torch.rand(count, *size, device=batch.action.device) - 1.0
        density = even.new_full((count, size[0]), -size[1] * math.log(2.0))
        found = [self._judged(h, even) - density]
        for seen in (h, next_h):
            with torch.no_grad():
                out = self.pi(_repeated(seen.detach(), count))
                action, log_prob = (x.unflatten(0, (count, -1)) for x in sample(out))
            q = self._judged(h, action)
            found.append(self._calibrated(q, batch) - log_prob)
        return torch.cat(found, dim=1)

    def _judged(self, h: Features, action: Tensor) -> Tensor:
        """Q [N, K, B] of `action` [K, B, A]."""
        count = len(action)
        q = self.critic.q(_repeated(h, count), self._critic_action(action.flatten(0, 1)))
        return q.unflatten(1, (count, -1))

    def _calibrated(self, q: Tensor, batch: Batch) -> Tensor:
        """Not below what was earned from here, where that is known."""
        if not self.config.calibrated:
            return q
        earned = batch.returns_to_go.nan_to_num(nan=-math.inf)
        return torch.maximum(q, earned)


def _repeated(features: Features, count: int) -> Features:
    """[count * B, .], state after state."""
    return Features(features.image.repeat(count, 1), features.proprio.repeat(count, 1))


def build(config: CQLConfig, interface: Interface, compute: Compute) -> CQL:
    action_dim = interface.action_size
    policy = stacked_policy(config.network, interface, gaussian=True)
    parts = q_parts(config, policy, interface, config.ensemble_size, action_dim)
    return CQL(config, parts, action_dim, compute)


CQL_ENTRY = AgentEntry(CQLConfig(), build, "offline SAC, pessimistic about what was not tried")
CALQL_ENTRY = AgentEntry(
    CQLConfig(name="calql", calibrated=True),
    build,
    "the same, no more pessimistic than what was earned: offline, then online",
)

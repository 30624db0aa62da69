"""CQL: Conservative Q-Learning (Kumar et al. 2020, arXiv:2006.04779) and Cal-QL (Nakamoto et al.
2023, arXiv:2303.05479), from pixels.

SAC whose critics are pushed down on actions that the policy would take and up on those of the data.
Cal-QL stops pushing where Q falls below what was really earned from there: a policy that learned
offline then does not have to unlearn its pessimism online.
"""

# Shapes: B batch, N critics, K actions drawn for a state, A action

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.sac import SAC, SACConfig, sample
from robot_rl.agents.sac import build as build_sac
from robot_rl.errors import ConfigError
from robot_rl.measures import Measure, Shown
from robot_rl.networks.encoders import Features
from robot_rl.replay.draws import Draws
from robot_rl.types import Batch


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
        drawn, log_density = self._drawn(h, next_h, batch.action)
        actions = self._critic_action(torch.cat((drawn, batch.action.unsqueeze(0))))
        q = self.critic.q_of(h, actions)
        others = self._calibrated(q[:, :-1], batch) - log_density
        above = torch.logsumexp(others, dim=1) - math.log(others.shape[1])
        push = (above - q[:, -1]).mean(dim=1).sum()
        loss = auxiliary + self.config.conservatism * push
        return loss, {**metrics, "push": push.detach() / len(q)}

    @torch.no_grad()
    def _drawn(self, h: Features, next_h: Features, done: Tensor) -> tuple[Tensor, Tensor]:
        """Actions [3 K, B, A] and the log of their density [3 K, B]: drawn evenly, by pi(s), and
        by pi(s')."""
        shape = (self.config.drawn, *done.shape)
        even = 2.0 * torch.rand(shape, device=done.device) - 1.0
        actions, densities = [even], [even.new_full(shape[:2], -shape[2] * math.log(2.0))]
        for seen in (h, next_h):
            action, log_prob = sample(self.pi(seen), torch.randn(shape, device=done.device))
            actions.append(action)
            densities.append(log_prob)
        return torch.cat(actions), torch.cat(densities)

    def _calibrated(self, q: Tensor, batch: Batch) -> Tensor:
        """`q` [N, 3 K, B], of the policy's actions not below what was earned from here, where that
        is known."""
        if not self.config.calibrated:
            return q
        earned = batch.returns_to_go.nan_to_num(nan=-math.inf)
        even, own = q.split((self.config.drawn, 2 * self.config.drawn), dim=1)
        return torch.cat((even, torch.maximum(own, earned)), dim=1)


build = partial(build_sac, kind=CQL)
CQL_ENTRY = AgentEntry(CQLConfig(), build, "offline SAC, pessimistic about what was not tried")
CALQL_ENTRY = AgentEntry(
    CQLConfig(name="calql", calibrated=True),
    build,
    "the same, no more pessimistic than what was earned: offline, then online",
)

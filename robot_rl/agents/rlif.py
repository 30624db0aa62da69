"""RLIF: Interactive Imitation Learning as Reinforcement Learning (Luo et al. 2023,
arXiv:2311.12996).

RLPD whose only reward is the intervention: -1 for the policy's step at whose end the human takes
over, 0 for all else (section 4.1); demonstrations count 0. What the human does need not be good:
that he steps in is the signal.
"""

from dataclasses import dataclass
from typing import Literal

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.rlpd import RLPDConfig
from robot_rl.agents.sac import build


@dataclass(frozen=True, kw_only=True)
class RLIFConfig(RLPDConfig):
    """The replay pays the reward: see `Draws.reward`."""

    name: str = "rlif"
    reward: Literal["task", "takeover"] = "takeover"


RLIF = AgentEntry(RLIFConfig(), build, "RLPD whose only reward is not to be taken over")

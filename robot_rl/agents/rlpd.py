"""RLPD: Efficient Online RL with Offline Data (Ball et al. 2023, arXiv:2302.02948).

SAC with three settings, section 4: half of every batch from what a human or an expert did
(symmetric sampling), LayerNorm in the critics against over-estimation off the data, and an
ensemble with random subsets that bears several updates a step (`replay_ratio` above 1).
"""

from dataclasses import dataclass

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.sac import SACConfig, build


@dataclass(frozen=True, kw_only=True)
class RLPDConfig(SACConfig):
    """HIL-SERL's values where it and RLPD differ: no entropy in the target, slower actor."""

    name: str = "rlpd"
    seed_steps: int = 0
    ensemble_size: int = 10
    subset_size: int = 2
    taught_fraction: float = 0.5
    actor_every_updates: int = 2


RLPD = AgentEntry(
    RLPDConfig(), build, "SAC with demonstrations and interventions in half of every batch"
)

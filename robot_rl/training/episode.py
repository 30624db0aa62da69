"""A training episode, and what the last ones say together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_rl.envs.vector import EnvStep
from robot_rl.measures import Measure, named
from robot_rl.training.peaks import SHOWN as MOTION_SHOWN
from robot_rl.training.peaks import Peaks
from robot_rl.types import AUTONOMOUS, Rows

SHOWN = {
    "train/episode_return": Measure("return of the last episodes"),
    "train/episode_success": Measure("success of the last episodes", "share"),
    "train/intervention_rate": Measure("steps that a human commanded", "share"),
    "train/takeovers_per_episode": Measure("takeovers per episode"),
    "train/cycle_time_s": Measure("seconds per success"),
    "steps/policy": Measure("steps by the policy", "count"),
    "steps/human": Measure("steps by a human", "count"),
    "steps/random": Measure("steps at random", "count"),
    **named("motion/", MOTION_SHOWN),
}


@dataclass
class Episode:
    """Running, then finished. `first_step` counts the steps of its lane before it."""

    lane: int
    first_step: int
    episode_return: float = 0.0
    length: int = 0
    success: bool | None = False
    steps_by: dict[str, int] = field(default_factory=dict)
    takeovers: int = 0
    autonomous: bool = True  # until the step before
    variation: Mapping[str, float] = field(default_factory=dict)  # what was drawn for it
    motion: Peaks = field(default_factory=Peaks)
    own_rewards: list[float] = field(default_factory=list)  # of each step, where not they are paid

    def tally(self, reward: float, source: str, own_reward: float = math.nan) -> None:
        """What is known of every step, wherever it was collected; NaN is not known."""
        self.episode_return += reward
        self.own_rewards.append(own_reward)
        self.length += 1
        self.steps_by[source] = self.steps_by.get(source, 0) + 1
        self.takeovers += source == "human" and self.autonomous
        self.autonomous = source in AUTONOMOUS

    def count(self, result: EnvStep) -> None:
        self.tally(result.reward, result.source, result.own_reward)
        self.success = None if result.success is None else bool(self.success or result.success)
        self.motion.add(result.motion)

    @classmethod
    def restored(cls, tree: Mapping[str, Any]) -> "Episode":
        """From what `dataclasses.asdict` made of it."""
        return cls(**{**tree, "motion": Peaks(**tree["motion"])})

    @property
    def rows(self) -> Rows:
        """Handles of its steps [length] in the replay."""
        steps = self.first_step + np.arange(self.length)
        return Rows(np.full(self.length, self.lane), steps)


def episode_means(episodes: Sequence[Episode], control_rate_hz: float) -> dict[str, float]:
    """Return, success, cycle time, how much a human did, how it moved, and what was drawn for the
    last one."""
    if not episodes:
        return {}
    drawn = {f"variation/{name}": value for name, value in episodes[-1].variation.items()}
    values = drawn | {"train/episode_return": float(np.mean([e.episode_return for e in episodes]))}
    successes = [e.success for e in episodes if e.success is not None]
    if successes:
        values["train/episode_success"] = float(np.mean(successes))
    cycles = [e.length / control_rate_hz for e in episodes if e.success]
    if cycles:
        values["train/cycle_time_s"] = float(np.mean(cycles))
    by_human = sum(e.steps_by.get("human", 0) for e in episodes)
    values["train/intervention_rate"] = by_human / sum(e.length for e in episodes)
    values["train/takeovers_per_episode"] = float(np.mean([e.takeovers for e in episodes]))
    moved = Peaks.together(e.motion for e in episodes).metrics()
    return values | {f"motion/{name}": value for name, value in moved.items()}

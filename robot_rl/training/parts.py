"""What a run is made of, and its pace."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from robot_rl.agents.base import Agent
from robot_rl.clocks import Pace
from robot_rl.config.resume import resumable
from robot_rl.interventions.gate import Gate
from robot_rl.replay.buffer import Replay
from robot_rl.replay.journal import Journal
from robot_rl.training.collector import Envs
from robot_rl.training.hooks import Hook
from robot_rl.training.run import RunDirectory
from robot_rl.types import Interface


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Pace and length of a run. Steps are environment steps (actions), over all environments.

    With `steps` 0 it learns offline, from demonstrations alone.
    """

    steps: int = resumable(20_000)
    replay_ratio: float = 1.0  # updates per environment step
    offline_updates: int = resumable(0)  # on demonstrations, before the first step
    eval_every_steps: int = resumable(1_000)
    eval_every_updates: int = resumable(2_000)  # of those before the first step
    eval_episodes: int = resumable(20)  # 0: none on the way
    final_eval_episodes: int = resumable(50)  # 0: none at the end
    log_every_steps: int = resumable(100)
    log_every_updates: int = resumable(500)  # of those before the first step
    checkpoint_every_s: float = resumable(60.0)
    # Stop early: 0 never; else after this time, or once an evaluation reaches this success.
    max_train_s: float = resumable(0.0)
    stop_at_success: float = resumable(0.0)
    video: bool = resumable(True)

    @property
    def offline(self) -> bool:
        """Whether it takes no step of its own: updates are then its only clock."""
        return self.steps == 0

    @property
    def evaluates(self) -> bool:
        return self.eval_episodes > 0 or self.final_eval_episodes > 0


@dataclass
class Parts:
    """The objects a run is made of. `make_envs(first_episode)` opens the environments.

    `eval_env` is None where nothing is evaluated; `gates` and environments are for runs that take
    steps.
    """

    run: RunDirectory
    interface: Interface
    agent: Agent
    replay: Replay
    journals: list[Journal]
    make_envs: Callable[[int], Envs]
    eval_env: Any | None
    batch_size: int
    seed_steps: int  # uniformly random actions before learning starts
    gates: list[Gate]
    pace: Pace | None = None
    apart: Any | None = None  # an `Apart` where actors collect in processes of their own
    prefetch: bool = False
    on_robot: bool = False  # where every episode of an evaluation takes a person's time
    hooks: list[Hook] = field(default_factory=list)

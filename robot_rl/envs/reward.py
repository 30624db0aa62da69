"""What pays while a policy learns, as data: the task itself, or a reward model."""

from dataclasses import dataclass, field
from typing import Any, Literal

from robot_rl.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TeachingConfig:
    """Learning a reward from choices, while the policy learns.

    Every `every_steps` steps of the environments `queries` pairs of `clip_steps` observations are
    asked about, `most` in all; then the reward is learned anew and everything is paid by it.
    `error_rate` of the truthful teacher's answers are wrong.
    """

    teacher: Literal["", "truth", "vlm", "person"] = ""
    queries: int = 40
    every_steps: int = 1000
    most: int = 1000
    clip_steps: int = 1
    error_rate: float = 0.0
    equal_below: float = 1e-3  # truths that differ by less are equal
    updates: int = 200
    # Of the vlm: an OpenAI-compatible server.
    url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    # Of the person: the page's port; 0 takes a free one.
    port: int = 8091

    def __post_init__(self) -> None:
        if not 0.0 <= self.error_rate <= 0.5:
            raise ConfigError(
                f"task.reward_model.teaching.error_rate is {self.error_rate}; it lies in [0, 0.5]: "
                "a teacher that is wrong more often says the opposite."
            )
        for name in ("queries", "every_steps", "most", "clip_steps", "updates"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"task.reward_model.teaching.{name} is {getattr(self, name)}; at least 1."
                )


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """reward=NAME of `robot-rl list rewards`; without a name the task's own reward pays.

    A model pays `scale` times its score of the observation that a step led to; with `threshold` it
    pays 1 where success is at least so probable and 0 elsewhere; with `shaping` the potential
    gamma x progress' - progress (Ng et al. 1999). `own_share` of the mean is the task's own reward.
    """

    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    # What shall be, in a sentence; empty is what the task is known by (rewards/sentences.py).
    goal: str = ""
    # In every step, or at the end of an episode and beside the robot that goes on; until then 0.
    when: Literal["step", "episode"] = "step"
    scale: float = 1.0
    threshold: float = 0.0
    shaping: bool = False
    shaping_gamma: float = 0.95
    own_share: float = 0.0
    # So many observations of success in a row end the episode; 0: it goes on to its time limit.
    ends_after: int = 0
    teaching: TeachingConfig = field(default_factory=TeachingConfig)

    def __post_init__(self) -> None:
        if self.teaching.teacher:
            self._require_taught()
        for name in ("threshold", "own_share", "shaping_gamma"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"task.reward_model.{name} is {value}; it lies in [0, 1].")
        if self.threshold and self.shaping:
            raise ConfigError(
                "task.reward_model.threshold pays for success, shaping for progress: choose one of "
                "them."
            )
        if self.ends_after < 0:
            raise ConfigError(
                f"task.reward_model.ends_after is {self.ends_after}; it must be at least 0."
            )
        if self.ends_after and (self.when == "episode" or not self.threshold):
            raise ConfigError(
                "task.reward_model.ends_after ends an episode while it runs, where success is at "
                "least so probable as threshold says: set when=step and a threshold."
            )

    def _require_taught(self) -> None:
        """Raise `ConfigError` for what does not go with somebody who chooses."""
        if self.name != "preferences" or "folder" in self.settings:
            raise ConfigError(
                "task.reward_model.teaching.teacher teaches reward=preferences anew, without "
                "settings.folder. Leave one of them out."
            )
        if self.own_share or self.ends_after:
            raise ConfigError(
                "with task.reward_model.teaching.teacher what was learned last pays everything: "
                "own_share=0 and ends_after=0."
            )

    @property
    def present(self) -> bool:
        return bool(self.name)

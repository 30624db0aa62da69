"""A human for experiments: a task's scripted expert with a human's weaknesses.

It speaks through the same protocol as a real device, so the takeover that runs is the real one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.types import Observation

# (observation, action) -> value of the action.
Judge = Callable[[Observation, np.ndarray], float]


@dataclass(frozen=True, kw_only=True)
class SimulatedHumanConfig:
    """When it steps in, how well it acts, how attentive it is.

    `gate`: `value_gap` steps in where Q(s, expert) - Q(s, policy) > `value_gap` (RLIF, with
    probability `beta`, and by mistake with 1 - `beta`): it knows what would be right, whatever its
    own `skill`; `no_progress` after `patience_s` without a gain of `min_gain`; `risk` above
    `risk_limit`; `random` with `probability` a step; `always` demonstrates; `never` only watches.
    """

    gate: Literal["value_gap", "no_progress", "risk", "random", "always", "never"] = "no_progress"
    # The chance that its next move is the expert's; else it blunders, for one to four steps.
    skill: float = 1.0
    noise_std: float = 0.1
    # A habit: every action of the hand is pushed this far in one direction, drawn once. Noise
    # averages out for whoever imitates many actions; a habit does not.
    bias: float = 0.0
    reaction_s: float = 0.3
    attention: float = 1.0  # share of the time it watches, drawn anew every second
    hold_low_s: float = 0.4
    hold_high_s: float = 2.0
    patience_s: float = 1.5
    min_gain: float = 0.02
    value_gap: float = 0.05
    judge: str = ""  # whose critic is Q: a run directory, or the learner itself
    beta: float = 0.95
    risk_limit: float = 0.8
    probability: float = 0.3
    max_takeovers: int = 0  # since the process was started; 0 is as many as it likes

    def __post_init__(self) -> None:
        shares = {
            "skill": self.skill,
            "attention": self.attention,
            "beta": self.beta,
            "probability": self.probability,
        }
        for name, value in shares.items():
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"human.simulated.{name} is {value}; it lies in [0, 1].")
        if not 0.0 <= self.hold_low_s <= self.hold_high_s:
            raise ConfigError("human.simulated needs 0 <= hold_low_s <= hold_high_s.")


class SimulatedHuman(TeleopDevice):
    """Reads the scripted expert and the progress from the scene of the simulation."""

    def __init__(
        self,
        config: SimulatedHumanConfig,
        control_rate_hz: float,
        seed: int,
        judge: Judge | None = None,
    ) -> None:
        if config.gate == "value_gap" and judge is None:
            raise ConfigError(
                "human.simulated.gate=value_gap needs a critic: an agent of the SAC family, or "
                "human.simulated.judge=RUN_DIR of such a run."
            )
        self.config = config
        self._rate_hz = control_rate_hz
        self._rng = np.random.default_rng([seed, 7])
        self._judge = judge
        self._takeovers = 0
        self._habit = np.zeros(0)
        self.begin_episode()

    def begin_episode(self) -> None:
        self._watching, self._watch_steps = True, 0
        self._reaction_steps: int | None = None  # left until the hand moves
        self._hold_steps = 0  # left of the takeover
        self._blunder_steps, self._blunder = 0, np.zeros(0, np.float32)
        self._forget_progress()

    def read(self, moment: Moment) -> Reading:
        action = self._hand(moment)
        self._look()
        if self.config.gate == "always":
            return Reading(held=True, action=action)
        if self._hold_steps > 0:
            self._hold_steps -= 1
            if self._hold_steps == 0:
                self._forget_progress()
            return Reading(held=True, action=action)
        if self._wants(moment) and self._reaction_steps is None and self._watching:
            self._reaction_steps = self._steps(self.config.reaction_s)
        return Reading(held=self._reacts(), action=action)

    def _reacts(self) -> bool:
        """Whether the hand arrives at the dead-man in this step."""
        if self._reaction_steps is None:
            return False
        if self._reaction_steps > 0:
            self._reaction_steps -= 1
            return False
        cfg = self.config
        self._reaction_steps = None
        self._takeovers += 1
        self._hold_steps = self._steps(self._rng.uniform(cfg.hold_low_s, cfg.hold_high_s)) - 1
        return True

    # ----------------------------------------------------------------- when

    def _wants(self, moment: Moment) -> bool:
        cfg = self.config
        if 0 < cfg.max_takeovers <= self._takeovers or moment.scene is None:
            return False
        match cfg.gate:
            case "no_progress":
                return self._stuck(moment.scene.progress)
            case "value_gap":
                gap = self._gap(moment) > cfg.value_gap
                return bool(self._rng.random() < (cfg.beta if gap else 1.0 - cfg.beta))
            case "risk":
                return (moment.scene.risk or 0.0) > cfg.risk_limit
            case "random":
                return bool(self._rng.random() < cfg.probability)
            case _:
                return False

    def _stuck(self, progress: float | None) -> bool:
        """No gain over the best so far for as long as patience lasts."""
        if progress is None:
            return False
        if progress > self._best_progress + self.config.min_gain:
            self._best_progress, self._idle_steps = progress, 0
            return False
        self._idle_steps += 1
        return self._idle_steps > self._steps(self.config.patience_s)

    def _forget_progress(self) -> None:
        self._best_progress, self._idle_steps = -1.0, 0

    def _gap(self, moment: Moment) -> float:
        assert self._judge is not None
        assert moment.scene is not None
        expert = moment.scene.expert_action
        assert expert is not None
        return self._judge(moment.obs, expert) - self._judge(moment.obs, moment.policy_action)

    def _look(self) -> None:
        """Here, or away for the next second."""
        if self._watch_steps <= 0:
            self._watch_steps = self._steps(1.0)
            self._watching = bool(self._rng.random() < self.config.attention)
        self._watch_steps -= 1

    # ------------------------------------------------------------------ how

    def _hand(self, moment: Moment) -> np.ndarray:
        """What the hand does: the expert's action, shaken, or a blunder."""
        expert = moment.scene.expert_action if moment.scene is not None else None
        if expert is None:
            raise ConfigError(
                "a simulated human needs a task with a scripted expert: one of the arm suite."
            )
        if self._blunder_steps > 0:
            self._blunder_steps -= 1
            return self._blunder
        if self._rng.random() >= self.config.skill:
            self._blunder_steps = int(self._rng.integers(0, 4))
            self._blunder = self._rng.uniform(-1.0, 1.0, len(expert)).astype(np.float32)
            return self._blunder
        shaken = expert + self.config.noise_std * self._rng.standard_normal(len(expert))
        return np.clip(shaken + self._push(len(expert)), -1.0, 1.0).astype(np.float32)

    def _push(self, size: int) -> np.ndarray:
        """The habit [A], along the first two axes, or the only one."""
        if len(self._habit) != size:
            angle = self._rng.uniform(0.0, 2.0 * np.pi)
            self._habit = np.zeros(size)
            self._habit[:2] = self.config.bias * np.array((np.cos(angle), np.sin(angle)))[:size]
        return self._habit

    def _steps(self, seconds: float) -> int:
        return max(0, round(seconds * self._rate_hz))

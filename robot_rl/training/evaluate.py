"""Evaluation of the deterministic policy on held-out seeds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_rl.analysis.stats import bootstrap_interval, wilson_interval
from robot_rl.measures import Measure
from robot_rl.networks.policy import Policy, PolicyMemory, acting
from robot_rl.training.foresight import Recording
from robot_rl.training.peaks import Peaks
from robot_rl.types import Metrics

# Training episodes draw 32-bit seeds from a SeedSequence; evaluation counts up from here.
HELD_OUT_SEED = 2**32
FILMED_EPISODES = 4
SHOWN = {
    "eval/success_rate": Measure("success on held-out seeds", "share"),
    "eval/cycle_time_s": Measure("seconds per success on held-out seeds"),
    "eval/return_mean": Measure("return on held-out seeds"),
}


@dataclass
class Evaluation:
    """Episodes of one evaluation. `successes` is empty where the task defines no success.

    `film` and `recorded`, of the first episode, are empty where nothing is filmed.
    """

    returns: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    successes: list[bool] = field(default_factory=list)
    film: list[np.ndarray] = field(default_factory=list)
    recorded: Recording = field(default_factory=Recording)
    motion: Peaks = field(default_factory=Peaks)
    control_rate_hz: float = 1.0

    def metrics(self) -> Metrics:
        low, high = map(float, bootstrap_interval([np.asarray(self.returns)]))
        metrics: Metrics = {
            "episodes": len(self.returns),
            "return_mean": float(np.mean(self.returns)),
            "return_low": low,
            "return_high": high,
            "length_mean_steps": float(np.mean(self.lengths)),
        }
        if self.successes:
            low, high = wilson_interval(sum(self.successes), len(self.successes))
            rate = float(np.mean(self.successes))
            metrics |= {"success_rate": rate, "success_low": low, "success_high": high}
        cycles = [n for n, success in zip(self.lengths, self.successes, strict=False) if success]
        if cycles:
            metrics["cycle_time_s"] = float(np.mean(cycles)) / self.control_rate_hz
        return metrics | self.motion.metrics()

    def scalars(self, group: str = "eval") -> Metrics:
        """The metrics as they are logged."""
        return {f"{group}/{name}": value for name, value in self.metrics().items()}

    @property
    def score(self) -> str:
        """Success where the task defines any, else the return."""
        rate, total = np.mean(self.successes or [0.0]), np.mean(self.returns)
        return f"{100 * rate:.0f} %" if self.successes else f"{total:.2f}"

    def __str__(self) -> str:
        metrics = self.metrics()
        line = f"return {metrics['return_mean']:8.2f}"
        if self.successes:
            low, high = 100 * metrics["success_low"], 100 * metrics["success_high"]
            rate = 100 * metrics["success_rate"]
            line += f"  success {rate:3.0f} % (95 % interval {low:.0f} to {high:.0f})"
        return line


def evaluate(
    policy: Policy, env: Any, episodes: int, film: bool, stop: Callable[[], bool] = lambda: False
) -> Evaluation:
    """Episode i uses seed HELD_OUT_SEED + i. `stop` ends early, between episodes."""
    result = Evaluation(control_rate_hz=env.interface.control_rate_hz)
    with acting(policy):
        for episode in range(episodes):
            if stop() and episode:
                break
            filmed = film and episode < FILMED_EPISODES
            recorded = result.recorded if film and not episode else None
            _run_episode(policy, env, HELD_OUT_SEED + episode, result, filmed, recorded)
    return result


def _run_episode(
    policy: Policy,
    env: Any,
    seed: int,
    result: Evaluation,
    filmed: bool,
    recorded: Recording | None,
) -> None:
    obs, _ = env.reset(seed=seed)
    if recorded is not None:
        recorded.add(obs)
    memory = PolicyMemory(policy, 1, policy.device)
    total, length, success, over = 0.0, 0, False, False
    while not over:
        if filmed:
            result.film.append(env.render())
        obs, reward, terminated, truncated, info = env.step(memory.act([obs])[0])
        memory.applied(0, info["applied_action"], info["source"] == "policy")
        if recorded is not None:
            recorded.add(obs, info["applied_action"])
        result.motion.add(info.get("motion", {}))
        total, length = total + float(reward), length + 1
        success = success or bool(info["success"])
        over = terminated or truncated
    result.returns.append(total)
    result.lengths.append(length)
    if info["success"] is not None:
        result.successes.append(success)

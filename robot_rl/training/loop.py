"""The training loop: act, step, learn, evaluate, save. Start and resume are the same call."""

import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from robot_rl.agents.base import Agent
from robot_rl.analysis.video import write_mp4
from robot_rl.clocks import Every, Pace, Ratio, Stopwatch
from robot_rl.config.resume import resumable
from robot_rl.errors import CorruptFileError, HardwareError
from robot_rl.interventions.gate import Gate
from robot_rl.replay.buffer import Replay
from robot_rl.replay.journal import Journal
from robot_rl.replay.overlay import RewardOverlay
from robot_rl.replay.prefetch import Prefetcher
from robot_rl.training.checkpoint import (
    load_newest,
    random_state,
    save_checkpoint,
    set_random_state,
)
from robot_rl.training.collector import Collector, Envs, Episode
from robot_rl.training.evaluate import Evaluation, evaluate
from robot_rl.training.guard import require_finite
from robot_rl.training.monitor import Monitor
from robot_rl.training.run import RunDirectory
from robot_rl.types import Interface

_RECENT_EPISODES = 20
_OFFLINE_LOG_UPDATES = 500


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Pace and length of a run. Steps are environment steps (actions), over all environments."""

    steps: int = resumable(20_000)
    seed_steps: int = 1_000  # uniformly random actions before learning starts
    replay_ratio: float = 1.0  # updates per environment step
    offline_updates: int = 0  # on demonstrations, before the first step
    eval_every_steps: int = resumable(1_000)
    eval_episodes: int = resumable(20)
    final_eval_episodes: int = resumable(50)
    log_every_steps: int = resumable(100)
    checkpoint_every_s: float = resumable(60.0)
    # Stop early: 0 never; else after this time, or once an evaluation reaches this success.
    max_train_s: float = resumable(0.0)
    stop_at_success: float = resumable(0.0)
    video: bool = resumable(True)


@dataclass
class Parts:
    """The objects a run is made of. `make_envs(first_episode)` opens the environments."""

    run: RunDirectory
    interface: Interface
    agent: Agent
    replay: Replay
    journals: list[Journal]
    make_envs: Callable[[int], Envs]
    eval_env: Any
    batch_size: int
    gates: list[Gate]
    pace: Pace | None = None
    prefetch: bool = False


class Trainer:
    """One run from where its directory stands to its end or an orderly stop."""

    def __init__(self, config: LoopConfig, parts: Parts, seed: int) -> None:
        self.config, self.parts = config, parts
        self.step = 0
        self.reached = False
        self._rng = np.random.default_rng([seed, 1])
        self._prefetch = Prefetcher(parts.replay, parts.batch_size) if parts.prefetch else None
        self._sample = self._prefetch or partial(parts.replay.sample, parts.batch_size)
        self._updates = Ratio(config.replay_ratio)
        self._watch = Stopwatch()
        self._recent: deque[Episode] = deque(maxlen=_RECENT_EPISODES)
        self._metrics: dict[str, Tensor] = {}
        self._log = Every(config.log_every_steps)
        self._eval = Every(config.eval_every_steps)
        self._checkpoint = Every(config.checkpoint_every_s)
        self._mark = (0.0, 0, 0)  # time, steps and updates at the last log line

    # ------------------------------------------------------------------ run

    def train(self, monitor: Monitor, stop: Callable[[], bool]) -> bool:
        """True when the run is complete, False when `stop` ended it early."""
        agent, parts = self.parts.agent, self.parts
        # A resumed run opens episodes it has never seen: steps outnumber episodes.
        envs = parts.make_envs(self.step)
        collector = Collector(
            envs,
            agent,
            parts.replay,
            parts.journals,
            parts.gates,
            self._rng,
            parts.pace,
        )
        try:
            collector.start()
            self._mark = (self._watch.elapsed_s(), self.step, self._updates.done)
            self._learn_offline(monitor, stop)
            while not self._finished() and not stop() and not collector.stop_wished:
                collector.act(random=self.step < self.config.seed_steps)
                self._learn(stop)
                if self._prefetch is not None:
                    self._prefetch.settle()
                self._recent.extend(collector.receive())
                self.step += collector.lanes
                agent.step = self.step
                self._keep_up(monitor, stop)
        except HardwareError:
            self.save()  # an unplugged device costs no update either
            raise
        finally:
            collector.close()
        self.save()
        return self._finished()

    def final_evaluation(self, monitor: Monitor, stop: Callable[[], bool]) -> Evaluation:
        """More episodes than during training; recorded as the last point of the curve."""
        wall_s = self.elapsed_s()
        result = self._rollouts(self.config.final_eval_episodes, stop)
        metrics = {f"eval/{name}": value for name, value in result.metrics().items()}
        monitor.scalars(self.step, wall_s, metrics)
        return result

    def _rollouts(self, episodes: int, stop: Callable[[], bool]) -> Evaluation:
        policy = self.parts.agent.policy()
        return evaluate(policy, self.parts.eval_env, episodes, self.config.video, stop)

    def elapsed_s(self) -> float:
        """Wall-clock of the run so far, evaluations included, over all its processes."""
        return self._watch.elapsed_s()

    def _finished(self) -> bool:
        return self.step >= self.config.steps or self._out_of_time() or self.reached

    def _out_of_time(self) -> bool:
        return 0 < self.config.max_train_s <= self._watch.elapsed_s()

    def _learn_offline(self, monitor: Monitor, stop: Callable[[], bool]) -> None:
        """Updates on what is there already, before the first step of the run."""
        before = self._updates.offline
        while self._updates.offline < self.config.offline_updates and not stop():
            if self._out_of_time():
                break
            self._update()
            self._updates.offline += 1
            if self._updates.offline % _OFFLINE_LOG_UPDATES == 0:
                monitor.scalars(self.step, self._watch.elapsed_s(), self._measurements())
            if self._checkpoint(self._watch.elapsed_s()):
                self.save()
        if self._updates.offline > before and not stop():
            self._evaluate(monitor, stop)

    def _learn(self, stop: Callable[[], bool]) -> None:
        learned_steps = self.step - self.config.seed_steps
        for _ in range(self._updates.owed(learned_steps)):
            if stop():
                return
            self._update()
            self._updates.done += 1

    def _update(self) -> None:
        batch = self._sample()
        self._metrics = self.parts.agent.update(batch)
        require_finite(self._metrics, batch, self.parts.run.root)

    def _keep_up(self, monitor: Monitor, stop: Callable[[], bool]) -> None:
        """Logging, evaluation and checkpoints that are due."""
        monitor.advance(self.step)
        if self._log(self.step):
            monitor.scalars(self.step, self._watch.elapsed_s(), self._measurements())
        learned = self.config.seed_steps < self.step < self.config.steps
        if self._eval(self.step) and learned:
            self._evaluate(monitor, stop)
            for gate in self.parts.gates:
                gate.device.drop_events()
        if self._checkpoint(self._watch.elapsed_s()):
            self.save()

    def _evaluate(self, monitor: Monitor, stop: Callable[[], bool]) -> None:
        cfg = self.config
        result = self._rollouts(cfg.eval_episodes, stop)
        metrics = result.metrics()
        wall_s = self._watch.elapsed_s()
        monitor.scalars(self.step, wall_s, {f"eval/{k}": v for k, v in metrics.items()})
        monitor.say(summary(self.step, wall_s, result))
        if result.film:
            path = self.parts.run.videos / f"step-{self.step:09d}.mp4"
            write_mp4(path, result.film, self.parts.interface.control_rate_hz)
        success = metrics.get("success_rate", 0.0)
        self.reached = 0 < cfg.stop_at_success <= success

    def _measurements(self) -> dict[str, float]:
        then_s, steps, updates = self._mark
        now_s = self._watch.elapsed_s()
        self._mark = (now_s, self.step, self._updates.done)
        span_s = max(now_s - then_s, 1e-9)
        values = {f"train/{name}": float(value) for name, value in self._metrics.items()}
        values["speed/env_steps_per_s"] = (self.step - steps) / span_s
        values["speed/updates_per_s"] = (self._updates.done - updates) / span_s
        values["train/updates"] = self._updates.done + self._updates.offline
        values |= episode_means(self._recent, self.parts.interface.control_rate_hz)
        values |= {f"steps/{source}": count for source, count in self._steps_by_source().items()}
        return values | {f"train/{k}": v for k, v in self.parts.agent.exploration().items()}

    def _steps_by_source(self) -> dict[str, int]:
        """Of the steps that the run's own lanes still hold."""
        return self.parts.replay.steps_by_source(len(self.parts.journals))

    # ---------------------------------------------------------------- state

    def load_or_start(self) -> bool:
        """Restore replay and checkpoint where there are any; True when this resumes a run."""
        state = load_newest(self.parts.run.checkpoints)
        self.step = sum(journal.restore(self.parts.replay) for journal in self.parts.journals)
        self.parts.replay.keep_rewards(RewardOverlay(self.parts.run.replay))
        if state is not None:
            self._load(state)
        # Steps collected after the checkpoint are kept; the updates they are owed are caught up.
        self.parts.agent.step = self.step
        return self.step > 0

    def _load(self, state: dict[str, Any]) -> None:
        try:
            self.load_state_dict(state)
        except (KeyError, ValueError, RuntimeError) as error:
            raise CorruptFileError(
                f"the checkpoint in {self.parts.run.checkpoints} does not fit this agent: "
                f"{str(error)[:200]}... It was written by another version; start a new run_dir."
            ) from error

    def save(self) -> None:
        save_checkpoint(self.parts.run.checkpoints, self.step, self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        return {
            "agent": self.parts.agent.state_dict(),
            "replay": self.parts.replay.state_dict(),
            "random": random_state(),
            "actions": self._rng.bit_generator.state,
            "updates": self._updates.done,
            "offline_updates": self._updates.offline,
            "train_s": self._watch.elapsed_s(),
            "recent": [dataclasses.asdict(episode) for episode in self._recent],
            "clocks": [self._log.last, self._eval.last, self._checkpoint.last],
            "reached": self.reached,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.parts.agent.load_state_dict(state["agent"])
        self.parts.replay.load_state_dict(state["replay"])
        set_random_state(state["random"])
        self._rng.bit_generator.state = state["actions"]
        self._updates.done = state["updates"]
        self._updates.offline = state["offline_updates"]
        self._watch = Stopwatch(state["train_s"])
        self._recent.extend(Episode(**episode) for episode in state["recent"])
        self._log.last, self._eval.last, self._checkpoint.last = state["clocks"]
        self.reached = state["reached"]


def summary(step: int, wall_s: float, result: Evaluation) -> str:
    """One line about an evaluation."""
    metrics = result.metrics()
    line = f"step {step:>7,}  {wall_s / 60:5.1f} min  return {metrics['return_mean']:8.2f}"
    if result.successes:
        low, high = 100 * metrics["success_low"], 100 * metrics["success_high"]
        rate = 100 * metrics["success_rate"]
        line += f"  success {rate:3.0f} % (95 % interval {low:.0f} to {high:.0f})"
    return line


def episode_means(episodes: deque[Episode], control_rate_hz: float) -> dict[str, float]:
    """Of the last episodes: return, success, cycle time, and how much a human did."""
    if not episodes:
        return {}
    values = {"train/episode_return": float(np.mean([e.episode_return for e in episodes]))}
    successes = [e.success for e in episodes if e.success is not None]
    if successes:
        values["train/episode_success"] = float(np.mean(successes))
    cycles = [e.length / control_rate_hz for e in episodes if e.success]
    if cycles:
        values["train/cycle_time_s"] = float(np.mean(cycles))
    by_human = sum(e.steps_by.get("human", 0) for e in episodes)
    values["train/intervention_rate"] = by_human / sum(e.length for e in episodes)
    values["train/takeovers_per_episode"] = float(np.mean([e.takeovers for e in episodes]))
    return values

"""Learning: sample, update, guard; log, evaluate and save what came of it."""

import dataclasses
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from robot_rl.analysis.video import write_mp4
from robot_rl.clocks import Every, Ratio, Stopwatch
from robot_rl.errors import CorruptFileError
from robot_rl.measures import Measure, Shown, named
from robot_rl.replay.prefetch import Prefetcher
from robot_rl.training import episode, evaluate
from robot_rl.training.checkpoint import (
    load_newest,
    random_state,
    save_checkpoint,
    set_random_state,
)
from robot_rl.training.episode import Episode, episode_means
from robot_rl.training.evaluate import Evaluation
from robot_rl.training.foresight import prediction_film
from robot_rl.training.guard import require_finite
from robot_rl.training.hooks import restore, saved
from robot_rl.training.monitor import Monitor, Progress
from robot_rl.training.parts import LoopConfig, Parts
from robot_rl.types import Metrics

_RECENT_EPISODES = 20
# Settings that say how often something is due; their clocks are saved.
_PERIODS = (
    "log_every_steps",
    "log_every_updates",
    "eval_every_steps",
    "eval_every_updates",
    "checkpoint_every_s",
)
_SPEED = {
    "speed/env_steps_per_s": Measure("environment steps per second"),
    "speed/updates_per_s": Measure("updates per second"),
}


class Stateful(Protocol):
    """What has a state that belongs into the checkpoints."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


class Learner:
    """Learns from the replay at its own pace: `offline_updates` first, then by the steps.

    Who collects is not its business: it is told of steps and episodes. `beside` names what is saved
    with it.
    """

    def __init__(self, config: LoopConfig, parts: Parts, beside: Mapping[str, Stateful]) -> None:
        self.config, self.parts = config, parts
        self.step = 0
        self.reached = False  # the success at which to stop
        self._beside = beside
        self._prefetch = Prefetcher(parts.replay, parts.batch_size) if parts.prefetch else None
        self._sample = self._prefetch or partial(parts.replay.sample, parts.batch_size)
        self._clock = Ratio(config.replay_ratio, config.offline_updates)
        self._watch = Stopwatch()
        self._recent: deque[Episode] = deque(maxlen=_RECENT_EPISODES)
        self._metrics: dict[str, Tensor] = {}
        self._due = {period: Every(getattr(config, period)) for period in _PERIODS}
        self._mark = self.progress()  # at the last log line

    @property
    def updates(self) -> int:
        """How many were ever made."""
        return self._clock.done

    @property
    def finished(self) -> bool:
        done = self.step >= self.config.steps and self.updates >= self.config.offline_updates
        return done or self.reached or self._out_of_time()

    @property
    def complete(self) -> bool:
        """Finished, and no update is owed or may still be made."""
        return self.finished and (not self._owed or self.reached or self._out_of_time())

    @property
    def shown(self) -> Shown:
        """What a person is shown of a run, each by who measures it."""
        own = [self.parts.agent.shown, *(hook.shown for hook in self.parts.hooks)]
        learned = {name: measure for shown in own for name, measure in shown.items()}
        return {**episode.SHOWN, **evaluate.SHOWN, **named("train/", learned), **_SPEED}

    def progress(self) -> Progress:
        return Progress(self.step, self.updates, self._watch.elapsed_s())

    # ------------------------------------------------------------ what was collected

    def collected(self, steps: int) -> None:
        """So many more are in the replay."""
        self.step += steps
        self.parts.agent.step = self.step  # schedules read it

    def end_episode(self, ended: Episode) -> None:
        self._recent.append(ended)
        self.parts.agent.end_episode(ended.episode_return)
        for hook in self.parts.hooks:
            hook.end_episode(ended, self.parts.replay)

    # ---------------------------------------------------------------- learning

    def begin(self, monitor: Monitor, stop: Callable[[], bool]) -> bool:
        """Speeds are measured from here on. A run that is new is evaluated; whether it was."""
        fresh = self.step == self.updates == 0 and not self.parts.on_robot
        evaluated = fresh and self._evaluate(monitor, stop)
        self._mark = self.progress()
        return evaluated

    def learn_offline(self, monitor: Monitor, stop: Callable[[], bool]) -> None:
        """The updates before the first step, on what is there already."""
        before, total = self.updates, self.config.offline_updates
        while self.updates < total and not (stop() or self.reached or self._out_of_time()):
            self._update()
            monitor.advance(self.updates, total, "updates")
            self._keep_up("updates", self.updates, self.updates < total, monitor, stop)
        judged = self.reached or self._is_judged_at_the_end
        if self.updates > before and not judged and not stop():
            self._evaluate(monitor, stop)
        if self.updates > before and self.step < self.config.steps:
            self.save()  # steps that are recorded from here on come after them, whatever happens

    def catch_up(self, stop: Callable[[], bool], at_most: int = sys.maxsize) -> int:
        """The updates that the steps so far owe; how many were made. After it the replay may
        grow."""
        before = self.updates
        for _ in range(min(self._owed, at_most)):
            if stop():
                break
            self._update()
        self._settle()
        return self.updates - before

    @property
    def steps_behind(self) -> int:
        """Steps whose updates are not made yet."""
        return math.ceil(self._owed / self.config.replay_ratio) if self._owed else 0

    @property
    def _owed(self) -> int:
        return self._clock.owed(self.step - self.parts.seed_steps)

    def keep_up(self, monitor: Monitor, stop: Callable[[], bool]) -> bool:
        """Log, evaluate and save what is due along the steps; whether it evaluated."""
        monitor.advance(self.step, self.config.steps, "steps")
        learned = self.parts.seed_steps < self.step
        wanted = learned and not self._is_judged_at_the_end
        return self._keep_up("steps", self.step, wanted, monitor, stop)

    def _update(self) -> None:
        hooks = self.parts.hooks
        for hook in hooks:
            hook.before_draw(self.parts.replay, self.updates)
        batch = self._sample()
        for hook in hooks:
            batch = hook.before_update(batch)
        self._metrics = self.parts.agent.update(batch)
        require_finite(self._metrics, batch, self.parts.run.root)
        self._clock.done += 1

    def _settle(self) -> None:
        """No batch is being drawn any more."""
        if self._prefetch is not None:
            self._prefetch.settle()

    def _keep_up(
        self, clock: str, now: int, wanted: bool, monitor: Monitor, stop: Callable[[], bool]
    ) -> bool:
        """What is due along one clock; evaluations where they are `wanted`."""
        if self._due[f"log_every_{clock}"](now):
            monitor.scalars(self.progress(), self._measurements())
        due = self._due[f"eval_every_{clock}"](now) and wanted
        evaluated = due and self._evaluate(monitor, stop)
        if self._due["checkpoint_every_s"](self._watch.elapsed_s()):
            self.save()
        return evaluated

    @property
    def _is_judged_at_the_end(self) -> bool:
        """The last step was made, and the final evaluation follows at once."""
        return self.step >= self.config.steps and self.config.final_eval_episodes > 0

    def _out_of_time(self) -> bool:
        return 0 < self.config.max_train_s <= self._watch.elapsed_s()

    def _measurements(self) -> dict[str, float]:
        then, now = self._mark, self.progress()
        self._mark = now
        span_s = max(now.wall_s - then.wall_s, 1e-9)
        values = {name: float(value) for name, value in self._metrics.items()}
        values |= self.parts.agent.exploration()
        for hook in self.parts.hooks:
            values |= hook.metrics()
        values = {f"train/{name}": value for name, value in values.items()}
        if now.step > then.step:
            values["speed/env_steps_per_s"] = (now.step - then.step) / span_s
        values["speed/updates_per_s"] = (now.updates - then.updates) / span_s
        values |= episode_means(self._recent, self.parts.interface.control_rate_hz)
        # Of the steps that the run's own lanes still hold.
        by_source = self.parts.replay.steps_by_source(len(self.parts.journals))
        return values | {f"steps/{source}": count for source, count in by_source.items()}

    # -------------------------------------------------------------- evaluation

    def final_evaluation(self, monitor: Monitor, stop: Callable[[], bool]) -> Evaluation | None:
        """More episodes than on the way; recorded as the last point of the curve.

        None where the run asks for none.
        """
        if not self.config.final_eval_episodes:
            return None
        at = self.progress()
        result, scalars, _ = self._rollouts(self.config.final_eval_episodes, stop)
        monitor.scalars(at, scalars)
        return result

    def _evaluate(self, monitor: Monitor, stop: Callable[[], bool]) -> bool:
        """False where the run asks for none on the way."""
        if not self.config.eval_episodes:
            return False
        result, scalars, beside = self._rollouts(self.config.eval_episodes, stop)
        at = self.progress()
        monitor.scalars(at, scalars)
        monitor.say(f"{at}  {result}{beside}")
        self.write_films(result, self.parts.run.videos / f"{at.clock}-{at.now:09d}")
        success = result.metrics().get("success_rate", 0.0)
        self.reached = self.updates > 0 and 0 < self.config.stop_at_success <= success
        return True

    def write_films(self, result: Evaluation, name: Path) -> None:
        """`name`.mp4 of the policy, and `name`-prediction.mp4 of what its model expected to see."""
        foreseen = prediction_film(self.parts.agent, result.recorded)
        for path, frames in ((f"{name}.mp4", result.film), (f"{name}-prediction.mp4", foreseen)):
            if frames:
                write_mp4(Path(path), frames, self.parts.interface.control_rate_hz)

    def _rollouts(self, episodes: int, stop: Callable[[], bool]) -> tuple[Evaluation, Metrics, str]:
        """Of the running average, with all scalars, and a remark on the last weights."""
        agent, env, began_s = self.parts.agent, self.parts.eval_env, time.perf_counter()
        result = evaluate.evaluate(agent.policy(), env, episodes, self.config.video, stop)
        if self.parts.on_robot or stop():
            return result, result.scalars(), ""
        last, remark = result, "" if self.updates else "  untrained"
        if self.updates and agent.last_policy() is not agent.policy():
            last = evaluate.evaluate(agent.last_policy(), env, episodes, False, stop)
            remark = f"  last weights {last.score}"
        took = {"speed/eval_s": time.perf_counter() - began_s}
        return result, result.scalars() | last.scalars("eval_last") | took, remark

    # ------------------------------------------------------------------- state

    def load(self, steps: int) -> bool:
        """The newest checkpoint, where there is one, with the `steps` that the journals hold.

        Steps collected after it are kept; the updates they are owed are caught up. True where
        there was anything to go on from.
        """
        state = load_newest(self.parts.run.checkpoints)
        if state is not None:
            self._load(state)
        self.step = steps
        self.parts.agent.step = steps
        return steps > 0 or self.updates > 0

    def save(self) -> None:
        self._settle()
        save_checkpoint(self.parts.run.checkpoints, self.step, self.state_dict())

    def _load(self, state: dict[str, Any]) -> None:
        try:
            self.load_state_dict(state)
        except (KeyError, ValueError, RuntimeError) as error:
            raise CorruptFileError(
                f"the checkpoint in {self.parts.run.checkpoints} does not fit this agent: "
                f"{str(error)[:200]}... It was written by another version; start a new run_dir."
            ) from error

    def _stateful(self) -> dict[str, Stateful]:
        return {"agent": self.parts.agent, "replay": self.parts.replay, **self._beside}

    def state_dict(self) -> dict[str, Any]:
        return {
            **{name: part.state_dict() for name, part in self._stateful().items()},
            "hooks": saved(self.parts.hooks),
            "random": random_state(),
            "updates": self.updates,
            "train_s": self._watch.elapsed_s(),
            "recent": [dataclasses.asdict(episode) for episode in self._recent],
            "clocks": {period: clock.last for period, clock in self._due.items()},
            "reached": self.reached,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])
        restore(self.parts.hooks, state["hooks"])
        set_random_state(state["random"])
        self._clock.done = state["updates"]
        self._watch = Stopwatch(state["train_s"])
        self._recent.extend(Episode.restored(episode) for episode in state["recent"])
        for period, clock in self._due.items():
            clock.last = state["clocks"][period]
        self.reached = state["reached"]

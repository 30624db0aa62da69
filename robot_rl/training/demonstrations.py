"""Recording demonstrations: each step on disk as it happens, an episode again when it failed."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from robot_rl.clocks import Pace
from robot_rl.envs.vector import EnvStep, Opening
from robot_rl.interventions.device import Moment
from robot_rl.interventions.gate import Decision, Gate
from robot_rl.replay.journal import Journal
from robot_rl.training.collector import step_of


@dataclass(frozen=True)
class Demonstration:
    """How an attempt ended. `kept` is false where it was discarded, to be recorded again."""

    steps: int
    success: bool
    kept: bool


class DemonstrationRecorder:
    """The human commands all the time; while he holds nothing, the robot stands still.

    With `labelling` the goal as it is seen in this frame, by the task or by the operator whose
    success key switches marking on and off, is stored as the step's reward and ends nothing: what
    a success classifier learns from.
    """

    def __init__(
        self,
        env: Any,
        gate: Gate,
        journal: Journal,
        source: str,
        pace: Pace | None = None,
        labelling: bool = False,
    ) -> None:
        self._env, self._gate, self._journal = env, gate, journal
        self._source, self._pace, self._labelling = source, pace, labelling
        self._marks = False  # labelling: the operator says that success is to be seen
        self.stop_wished = False

    def record(
        self, first_seed: int, only_successes: bool, stop: Callable[[], bool]
    ) -> Iterator[Demonstration]:
        """Attempt after attempt, each from a seed of its own, until somebody says stop."""
        seed = first_seed
        while not self.stop_wished and not stop():
            yield self._attempt(seed, only_successes, stop)
            seed += 1

    def _attempt(self, seed: int, only_successes: bool, stop: Callable[[], bool]) -> Demonstration:
        obs, info = self._env.reset(seed=seed)
        opening = Opening(obs, self._env.scene())
        self._journal.begin(opening.obs, info.get("variation", {}))
        self._gate.begin_episode()
        self._marks = False
        steps, again = 0, False
        result: EnvStep | None = None
        while not _over(result) and not again and not self.stop_wished and not stop():
            decision = self._decide(opening)
            again = "rerecord" in decision.events
            self.stop_wished = "stop" in decision.events
            if self._pace is not None and steps == 0 and decision.source != self._source:
                continue  # a person's clock starts with the first move
            result = self._step(decision)
            opening = Opening(result.obs, result.scene)
            steps += 1
        success = result is not None and bool(result.success)
        kept = _over(result) and not again and (success or not only_successes)
        if not kept:
            self._journal.discard()
        return Demonstration(steps, success, kept)

    def _decide(self, now: Opening) -> Decision:
        if self._pace is not None:
            self._pace.wait()
        measured = now.scene.measured if now.scene is not None else None
        still = self._env.interface.hold_action(measured)
        moment = Moment(obs=now.obs, policy_action=still, autonomous="nobody", scene=now.scene)
        decision = self._gate.decide(moment, self._journal.steps)
        if decision.source == "human":
            decision = dataclasses.replace(decision, source=self._source)
        return decision

    def _step(self, decision: Decision) -> EnvStep:
        self._env.unwrapped.source = decision.source
        obs, reward, terminated, truncated, info = self._env.step(decision.action)
        success = bool(info["success"])
        scene = self._env.scene()
        if self._labelling:
            self._marks = self._marks != ("success" in decision.events)
            reward = float(self._marks or bool(scene.at_goal))
        elif decision.verdict is not None:
            success, terminated, truncated = decision.verdict, True, False
            reward = float(success)
        applied = info["applied_action"]
        result = EnvStep(
            obs,
            float(reward),
            terminated,
            truncated,
            success,
            applied,
            None,
            scene,
            info["stamp_s"],
            info["source"],
        )
        self._journal.add(step_of(decision, result), obs)
        return result


def _over(result: EnvStep | None) -> bool:
    return result is not None and (result.terminated or result.truncated)

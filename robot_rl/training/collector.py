"""Collecting experience: actions out, steps into replay and journal, episodes counted."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from robot_rl.agents.base import Agent
from robot_rl.clocks import Pace
from robot_rl.envs.vector import EnvStep, Opening
from robot_rl.errors import NotFiniteError
from robot_rl.interventions.device import Moment
from robot_rl.interventions.gate import Decision, Gate
from robot_rl.networks.policy import PolicyMemory
from robot_rl.replay.buffer import Replay
from robot_rl.replay.journal import Journal
from robot_rl.replay.storage import Step
from robot_rl.types import AUTONOMOUS


class Envs(Protocol):
    """Environments that step between `send` and `receive`."""

    def reset(self) -> list[Opening]: ...
    def send(
        self, actions: np.ndarray, verdicts: Sequence[bool | None], sources: Sequence[str]
    ) -> None: ...
    def receive(self) -> list[EnvStep]: ...
    def close(self) -> None: ...


@dataclass
class Episode:
    """A training episode: running, then finished."""

    episode_return: float = 0.0
    length: int = 0
    success: bool | None = False
    steps_by: dict[str, int] = field(default_factory=dict)
    takeovers: int = 0
    autonomous: bool = True  # until the step before

    def count(self, result: EnvStep) -> None:
        self.episode_return += result.reward
        self.length += 1
        self.success = None if result.success is None else bool(self.success or result.success)
        self.steps_by[result.source] = self.steps_by.get(result.source, 0) + 1
        self.takeovers += result.source == "human" and self.autonomous
        self.autonomous = result.source in AUTONOMOUS


class Collector:
    """Drives `envs` with `agent`, and with the humans behind `gates`.

    One replay lane, one journal and one gate per environment. `pace` keeps real time for a human.
    """

    def __init__(
        self,
        envs: Envs,
        agent: Agent,
        replay: Replay,
        journals: list[Journal],
        gates: Sequence[Gate],
        rng: np.random.Generator,
        pace: Pace | None = None,
    ) -> None:
        self._envs, self._agent = envs, agent
        self._replay, self._journals, self._gates = replay, journals, gates
        self._pace = pace
        self._rng = rng
        self._now: list[Opening] = []
        self._memory = PolicyMemory(agent.actor(), len(journals), agent.compute.device)
        self._episodes = [Episode() for _ in journals]
        self._decisions: list[Decision] = []
        self.stop_wished = False  # an operator asked for the end of the session

    @property
    def lanes(self) -> int:
        return len(self._journals)

    def start(self) -> None:
        """Open the devices, and the first episode of every environment."""
        for gate in self._gates:
            gate.device.start()
        self._now = self._envs.reset()
        for lane, opening in enumerate(self._now):
            self._begin(lane, opening)

    def act(self, random: bool) -> None:
        """Choose actions and send them. Raises `NotFiniteError` on a NaN action."""
        # Asked in any case: what it remembers has no gaps.
        actions = self._memory.act([now.obs for now in self._now])
        if random:
            actions = self._rng.uniform(-1, 1, actions.shape).astype(np.float32)
        if not np.isfinite(actions).all():
            raise NotFiniteError(f"the agent chose a non-finite action: {actions.tolist()}.")
        if self._pace is not None:
            self._pace.wait()
        source = "random" if random else "policy"
        self._decisions = [self._decide(lane, a, source) for lane, a in enumerate(actions)]
        self._envs.send(
            np.stack([d.action for d in self._decisions]),
            [d.verdict for d in self._decisions],
            [d.source for d in self._decisions],
        )

    def receive(self) -> list[Episode]:
        """Store what the actions brought; the episodes that ended with it."""
        results = self._envs.receive()
        ended = [self._store(lane, result) for lane, result in enumerate(results)]
        return [episode for episode in ended if episode is not None]

    def close(self) -> None:
        with contextlib.ExitStack() as closing:  # each, whatever becomes of the others
            for gate, journal in zip(self._gates, self._journals, strict=True):
                closing.callback(journal.close)
                closing.callback(gate.device.close)
            closing.callback(self._envs.close)

    def _decide(self, lane: int, action: np.ndarray, source: str) -> Decision:
        now = self._now[lane]
        moment = Moment(obs=now.obs, policy_action=action, autonomous=source, scene=now.scene)
        decision = self._gates[lane].decide(moment, self._journals[lane].steps)
        self.stop_wished |= "stop" in decision.events
        return decision

    def _store(self, lane: int, result: EnvStep) -> Episode | None:
        decision, episode = self._decisions[lane], self._episodes[lane]
        episode.count(result)
        step = step_of(decision, result)
        # To disk first: what the learner has seen is then never lost.
        self._journals[lane].add(step, result.obs)
        self._replay.add(lane, step, result.obs)
        self._memory.applied(lane, result.applied_action, result.source == "policy")
        self._now[lane] = Opening(result.obs, result.scene)
        if result.opening is None:
            return None
        self._begin(lane, result.opening)
        self._agent.end_episode(episode.episode_return)
        return episode

    def _begin(self, lane: int, opening: Opening) -> None:
        self._journals[lane].begin(opening.obs)
        self._replay.begin(lane, opening.obs)
        self._gates[lane].begin_episode()
        self._now[lane] = opening
        self._memory.begin(lane)
        self._episodes[lane] = Episode()


def step_of(decision: Decision, result: EnvStep) -> Step:
    """What is stored: the action that was applied and by whom, and both wishes."""
    return Step(
        action=result.applied_action,
        reward=result.reward,
        terminated=result.terminated,
        truncated=result.truncated,
        source=result.source,
        policy_action=decision.policy_action,
        human_action=decision.human_action,
        segment=decision.segment,
        stamp_s=result.stamp_s,
    )

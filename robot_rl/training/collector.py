"""Collecting experience: actions out, steps into a sink."""

import contextlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from robot_rl.agents.base import Actor
from robot_rl.clocks import Pace
from robot_rl.envs.vector import EnvStep, Opening
from robot_rl.errors import NotFiniteError
from robot_rl.interventions.device import Moment
from robot_rl.interventions.gate import Decision, Gate
from robot_rl.networks.policy import PolicyMemory
from robot_rl.replay.storage import Step
from robot_rl.training.episode import Episode
from robot_rl.training.sink import Sink


class Envs(Protocol):
    """Environments that step between `send` and `receive`."""

    def reset(self) -> list[Opening]: ...
    def send(
        self, actions: np.ndarray, verdicts: Sequence[bool | None], sources: Sequence[str]
    ) -> None: ...
    def receive(self) -> list[EnvStep]: ...
    def close(self) -> None: ...


class RandomActions:
    """Uniform in [-1, 1]: what a run begins with. Its state is its generator's."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 1])

    def draw(self, shape: tuple[int, ...]) -> np.ndarray:
        return self._rng.uniform(-1, 1, shape).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        return dict(self._rng.bit_generator.state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state


class Collector:
    """Drives `envs` with an `actor`, and with the humans behind `gates`; emits steps to a `sink`.

    It knows neither the agent nor the replay, so that it can live in a process of its own. One gate
    per environment; `steps` were recorded of each before. `pace` keeps real time for a human.
    """

    def __init__(
        self,
        envs: Envs,
        actor: Actor,
        sink: Sink,
        gates: Sequence[Gate],
        steps: Sequence[int],
        random: RandomActions,
        device: torch.device | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._envs, self._sink, self._gates = envs, sink, gates
        self._steps = list(steps)
        self._random, self._pace = random, pace
        self._now: list[Opening] = []
        self._memory = PolicyMemory(actor, len(gates), device)
        self._episodes: list[Episode] = []
        self._decisions: list[Decision] = []
        self.stop_wished = False  # an operator asked for the end of the session

    @property
    def lanes(self) -> int:
        return len(self._gates)

    def start(self) -> None:
        """Open the devices, and the first episode of every environment."""
        for gate in self._gates:
            gate.device.start()
        self._now = self._envs.reset()
        self._episodes = [Episode(lane, steps) for lane, steps in enumerate(self._steps)]
        for lane, opening in enumerate(self._now):
            self._begin(lane, opening)

    def act(self, random: bool) -> None:
        """Choose actions and send them. Raises `NotFiniteError` on a NaN action."""
        # Asked in any case: what it remembers has no gaps.
        actions = self._memory.act([now.obs for now in self._now])
        if random:
            actions = self._random.draw(actions.shape)
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

    def receive(self) -> None:
        """Emit what the actions brought."""
        for lane, result in enumerate(self._envs.receive()):
            self._emit(lane, result)

    def drop_events(self) -> None:
        """Nobody listened for a while."""
        for gate in self._gates:
            gate.device.drop_events()

    def close(self) -> None:
        with contextlib.ExitStack() as closing:  # each, whatever becomes of the others
            closing.callback(self._sink.close)
            for gate in self._gates:
                closing.callback(gate.device.close)
            closing.callback(self._envs.close)

    def _decide(self, lane: int, action: np.ndarray, source: str) -> Decision:
        now = self._now[lane]
        moment = Moment(obs=now.obs, policy_action=action, autonomous=source, scene=now.scene)
        decision = self._gates[lane].decide(moment, self._steps[lane])
        self.stop_wished |= "stop" in decision.events
        return decision

    def _emit(self, lane: int, result: EnvStep) -> None:
        decision, episode = self._decisions[lane], self._episodes[lane]
        episode.count(result)
        self._steps[lane] += 1
        self._sink.add(lane, step_of(decision, result), result.obs)
        self._memory.applied(lane, result.applied_action, result.source == "policy")
        self._now[lane] = Opening(result.obs, result.scene)
        if result.opening is not None:
            self._sink.end(episode)
            self._begin(lane, result.opening)

    def _begin(self, lane: int, opening: Opening) -> None:
        self._sink.begin(lane, opening.obs, opening.variation)
        self._gates[lane].begin_episode()
        self._now[lane] = opening
        self._memory.begin(lane)
        self._episodes[lane] = Episode(lane, self._steps[lane], variation=opening.variation)


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

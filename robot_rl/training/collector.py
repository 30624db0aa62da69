"""Collecting experience: actions out, steps into replay and journal, episodes counted."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from robot_rl.agents.base import Agent
from robot_rl.errors import NotFiniteError
from robot_rl.replay.buffer import Replay
from robot_rl.replay.journal import Journal
from robot_rl.replay.storage import Step
from robot_rl.training.vector import EnvStep
from robot_rl.types import Observation


class Envs(Protocol):
    """Environments that step between `send` and `receive`."""

    def reset(self) -> list[Observation]: ...
    def send(self, actions: np.ndarray) -> None: ...
    def receive(self) -> list[EnvStep]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Episode:
    """A finished training episode."""

    episode_return: float
    length: int
    success: bool | None


class Collector:
    """Drives `envs` with `agent`; one replay lane and one journal per environment."""

    def __init__(
        self,
        envs: Envs,
        agent: Agent,
        replay: Replay,
        journals: list[Journal],
        action_size: int,
        rng: np.random.Generator,
    ) -> None:
        self._envs, self._agent = envs, agent
        self._replay, self._journals = replay, journals
        self._rng = rng
        self._obs: list[Observation] = []
        self._carry: list[Any] = [None] * len(journals)
        self._return = np.zeros(len(journals))
        self._length = np.zeros(len(journals), np.int64)
        self._success = [False] * len(journals)
        self._action_size = action_size
        self._source = "policy"

    @property
    def lanes(self) -> int:
        return len(self._journals)

    def start(self) -> None:
        """Open the first episode of every environment."""
        self._obs = self._envs.reset()
        for lane, obs in enumerate(self._obs):
            self._begin(lane, obs)

    def act(self, random: bool) -> None:
        """Choose actions and send them. Raises `NotFiniteError` on a NaN action."""
        self._source = "random" if random else "policy"
        if random:
            actions = self._rng.uniform(-1, 1, (self.lanes, self._action_size)).astype(np.float32)
        else:
            actions, self._carry = self._agent.act(self._obs, self._carry, "train")
        if not np.isfinite(actions).all():
            raise NotFiniteError(f"the agent chose a non-finite action: {actions.tolist()}.")
        self._envs.send(actions)

    def receive(self) -> list[Episode]:
        """Store what the actions brought; the episodes that ended with it."""
        results = self._envs.receive()
        ended = [self._store(lane, result) for lane, result in enumerate(results)]
        return [episode for episode in ended if episode is not None]

    def close(self) -> None:
        self._envs.close()
        for journal in self._journals:
            journal.close()

    def _store(self, lane: int, result: EnvStep) -> Episode | None:
        step = Step(
            result.applied_action, result.reward, result.terminated, result.truncated, self._source
        )
        # To disk first: what the learner has seen is then never lost.
        self._journals[lane].add(step, result.obs)
        self._replay.add(lane, step, result.obs)
        self._obs[lane] = result.obs
        self._return[lane] += result.reward
        self._length[lane] += 1
        self._success[lane] |= bool(result.success)
        if result.first_obs is None:
            return None
        success = None if result.success is None else self._success[lane]
        episode = Episode(float(self._return[lane]), int(self._length[lane]), success)
        self._begin(lane, result.first_obs)
        self._agent.end_episode(episode.episode_return)
        return episode

    def _begin(self, lane: int, obs: Observation) -> None:
        self._journals[lane].begin(obs)
        self._replay.begin(lane, obs)
        self._obs[lane] = obs
        self._carry[lane] = None
        self._return[lane] = self._length[lane] = 0
        self._success[lane] = False

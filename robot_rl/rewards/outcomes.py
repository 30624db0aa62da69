"""Episodes whose outcome is known: what a reward model is judged by before anything learns from it.

Each is played from actions that were found beforehand, in an environment that repeats itself for
a seed: the expert's, cut short, or meant for another place or another object.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.episodes.folder import StoredEpisode
from robot_rl.errors import ConfigError
from robot_rl.replay.storage import Step

SUCCESS = "success"
OUTCOMES = (SUCCESS, "near_miss", "wrong_place", "wrong_object", "nothing")
# More successes, to show a reward model what is wanted: none of those that it is judged by.
SHOWN = "shown"
_EXPLORES = 0.15  # deviation of what the expert's actions are off by
_IDLE = 0.1  # and of those of an arm that does nothing
_CUT = 0.75, 0.97  # where a near miss ends, of the way to success
_TRIES = 40


class OutcomePlayer:
    """Plays `task` on its dense reward, which ends nothing, seen as `render` has it.

    Of a task that has decoys every episode shows one. Raises `ConfigError` where nobody shows how
    the task is done.
    """

    def __init__(self, task: TaskConfig, render: RenderConfig, seed: int) -> None:
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self._seeds = iter(range(0))
        self._closing = contextlib.ExitStack()
        options = {**task.options, "decoy": "apart"} if _has_decoys(task) else task.options
        dense = dataclasses.replace(task, reward="dense", options=options)
        self.env = self._opened(dense, render)
        self._swapped = None
        if _has_decoys(task):
            swapped = dataclasses.replace(dense, options={**options, "decoy": "swapped"})
            self._swapped = self._opened(swapped, render)
        if self.env.reset(seed=0) and self.env.expert_action() is None:
            raise ConfigError(
                f"{task.name} has no scripted expert, and nobody shows its outcomes. Record them: "
                "robot-rl collect human.device=web --keep-failures"
            )

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Those that the task can have: another object only where there is one."""
        return tuple(o for o in OUTCOMES if o != "wrong_object" or self._swapped is not None)

    def episodes(self, outcome: str, first: int = 0, part: int = 0) -> Iterator[StoredEpisode]:
        """Without end, from number `first` on, the same for the same seed; another `part` has other
        scenes. Raises `ConfigError` where the task hardly ever comes to it."""
        for number in range(first, 2**30):
            drawn = [self._seed, OUTCOMES.index(outcome), part, number]
            self._rng = np.random.default_rng(drawn)
            self._seeds = iter(self._rng.integers(2**34, 2**40, 2 * _TRIES).tolist())
            for _ in range(_TRIES):
                seed = int(next(self._seeds))
                actions = self._actions(outcome, seed)
                episode, succeeded = self._played(seed, actions, f"{outcome}/{number}")
                if succeeded == (outcome == SUCCESS):
                    yield episode
                    break
            else:
                raise ConfigError(f"{_TRIES} tries of {outcome} came to something else each time.")

    def close(self) -> None:
        self._closing.close()

    def _opened(self, task: TaskConfig, render: RenderConfig) -> Any:
        return self._closing.enter_context(contextlib.closing(open_env(task, render)))

    # ------------------------------------------------------------------ what is done

    def _actions(self, outcome: str, seed: int) -> list[np.ndarray]:
        """As many as an episode has at most, or fewer, after which the arm holds."""
        if outcome == "nothing":
            return [self._off(self.env.interface.hold_action(), _IDLE) for _ in range(self._steps)]
        if outcome == "wrong_place":
            return self._shown(self.env, int(next(self._seeds)))[0]
        if outcome == "wrong_object":
            assert self._swapped is not None
            return self._shown(self._swapped, seed)[0]
        actions, reached = self._shown(self.env, seed)
        if outcome == SUCCESS:
            return actions
        return actions[: int(self._rng.uniform(*_CUT) * reached)]

    def _shown(self, env: Any, seed: int) -> tuple[list[np.ndarray], int]:
        """What the expert does there, a little off, and after how many actions it was done."""
        env.reset(seed=seed)
        actions, reached = [], self._steps
        for step in range(self._steps):
            actions.append(self._off(env.expert_action(), _EXPLORES if step < reached else 0.0))
            env.step(actions[-1])
            if reached == self._steps and env.scene().at_goal:
                reached = step + 1
        return actions, reached

    def _off(self, action: np.ndarray, deviation: float) -> np.ndarray:
        noise = self._rng.normal(0.0, deviation, action.shape)
        return np.clip(action + noise, -1.0, 1.0).astype(np.float32)

    @property
    def _steps(self) -> int:
        return self.env.unwrapped.max_episode_steps

    # ----------------------------------------------------------------- what comes of it

    def _played(
        self, seed: int, actions: Sequence[np.ndarray], name: str
    ) -> tuple[StoredEpisode, bool]:
        """The episode, and whether its success was seen at any time."""
        first, info = self.env.reset(seed=seed)
        obs, steps, succeeded = [first], [], False
        for action in [*actions, *[None] * (self._steps - len(actions))]:
            done = self._held(steps) if action is None else action
            seen, reward, terminated, truncated, told = self.env.step(done)
            obs.append(seen)
            steps.append(
                Step(
                    action=told["applied_action"],
                    reward=float(reward),
                    terminated=terminated,
                    truncated=truncated,
                    source="expert",
                    stamp_s=told["stamp_s"],
                )
            )
            succeeded |= bool(told["success"])
            if terminated or truncated:
                break
        return StoredEpisode(name, obs, steps, info["variation"]), succeeded

    def _held(self, steps: Sequence[Step]) -> np.ndarray:
        """Stands still, with the fingers as they were told last."""
        hold = self.env.interface.hold_action()
        for i, field in enumerate(self.env.interface.actions):
            if field.kind == "position" and steps:
                hold[i] = steps[-1].action[i]
        return hold


def _has_decoys(task: TaskConfig) -> bool:
    from sim.registry import task_options

    return hasattr(task_options(task.name, {}), "decoy")

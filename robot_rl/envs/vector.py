"""Environment processes that run beside the learner: `send` actions, learn, `receive`."""

import math
import multiprocessing
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from robot_rl.errors import EnvWorkerError, HardwareError
from robot_rl.types import Observation, Scene

MakeEnv = Callable[[], Any]

_LEAVE_S = 15.0  # a busy machine may take a while to end a process that was told to


@dataclass(frozen=True)
class EnvStep:
    """One step of one environment. `opening` is there where the episode ended with it.

    `source` tells by whom `applied_action` was: nobody, where a robot held whatever was asked.
    `scene` belongs to `obs`; it is None where nobody asked for it. `motion` is what a simulation
    measures of the step, by name; `own_reward` what the task itself paid, where something else
    pays.
    """

    obs: Observation
    reward: float
    terminated: bool
    truncated: bool
    success: bool | None
    applied_action: np.ndarray
    opening: "Opening | None"
    scene: Scene | None = None
    stamp_s: float = math.nan
    source: str = "policy"
    motion: Mapping[str, float] = field(default_factory=dict)
    own_reward: float = math.nan


class Opening(NamedTuple):
    """The start of an episode. `variation` is what a simulation drew for it."""

    obs: Observation
    scene: Scene | None = None
    variation: Mapping[str, float] = {}


def episode_seed(seed: int, lane: int, episode: int) -> int:
    """Seed of an episode: the same in every process layout, new after every resume."""
    return int(np.random.SeedSequence([seed, lane, episode]).generate_state(1)[0])


class EnvLane:
    """One environment and its episode count. `watched` delivers the scene with every step.

    A robot that cannot begin another episode says so at the step after, so that the last one of
    the episode is not lost.
    """

    def __init__(
        self, make_env: MakeEnv, seed: int, lane: int, first_episode: int, watched: bool = False
    ) -> None:
        self._env = make_env()
        self._watched = watched
        self._seed, self._lane = seed, lane
        self._episode = first_episode
        self._stopped: HardwareError | None = None

    def reset(self) -> Opening:
        seed = episode_seed(self._seed, self._lane, self._episode)
        self._episode += 1
        obs, info = self._env.reset(seed=seed)
        return Opening(obs, self._scene(), info.get("variation", {}))

    def step(
        self, action: np.ndarray, verdict: bool | None = None, source: str = "policy"
    ) -> EnvStep:
        """`source` chose `action`. `verdict` is an operator's, who ends the episode as a success
        or a failure."""
        if self._stopped is not None:
            raise self._stopped
        self._env.unwrapped.source = source
        obs, reward, terminated, truncated, info = self._env.step(action)
        success, scene = info["success"], self._scene()
        if verdict is not None:
            reward, terminated, truncated, success = float(verdict), True, False, verdict
        opening = self._next() if terminated or truncated else None
        return EnvStep(
            obs,
            float(reward),
            terminated,
            truncated,
            success,
            info["applied_action"],
            opening,
            scene,
            info.get("stamp_s", math.nan),
            info["source"],
            info.get("motion", {}),
            info.get("own_reward", math.nan),
        )

    def _next(self) -> Opening | None:
        try:
            return self.reset()
        except HardwareError as error:
            self._stopped = error
            return None

    def _scene(self) -> Scene | None:
        return self._env.scene() if self._watched else None

    def close(self) -> None:
        self._env.close()


class InlineEnvs:
    """All environments in this process, one after the other (`num_envs: 0` and tests)."""

    def __init__(self, lanes: Sequence[EnvLane]) -> None:
        self._lanes = lanes
        self._results: list[EnvStep] = []

    def reset(self) -> list[Opening]:
        return [lane.reset() for lane in self._lanes]

    def send(
        self, actions: np.ndarray, verdicts: Sequence[bool | None], sources: Sequence[str]
    ) -> None:
        steps = zip(self._lanes, actions, verdicts, sources, strict=True)
        self._results = [lane.step(a, verdict, source) for lane, a, verdict, source in steps]

    def receive(self) -> list[EnvStep]:
        return self._results

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()


class RealTimeEnvs(InlineEnvs):
    """Lanes in this process that step on a thread: a robot moves on while its learner learns."""

    def __init__(self, lanes: Sequence[EnvLane]) -> None:
        super().__init__(lanes)
        self._thread = ThreadPoolExecutor(1, "environment")
        self._stepping: Future[None] | None = None

    def send(
        self, actions: np.ndarray, verdicts: Sequence[bool | None], sources: Sequence[str]
    ) -> None:
        self._stepping = self._thread.submit(super().send, actions, verdicts, sources)

    def receive(self) -> list[EnvStep]:
        if self._stepping is not None:
            self._stepping.result()
        return super().receive()

    def close(self) -> None:
        self._thread.shutdown()
        super().close()


class EnvProcesses:
    """One process per environment. Raises `EnvWorkerError` with the child's own error."""

    def __init__(
        self,
        make_env: MakeEnv,
        seed: int,
        num_envs: int,
        first_episode: int = 0,
        watched: bool = False,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for lane in range(num_envs):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(theirs, make_env, seed, lane, first_episode, watched),
                daemon=True,
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def reset(self) -> list[Opening]:
        for pipe in self._pipes:
            self._write(pipe, None)
        return [self._read(pipe) for pipe in self._pipes]

    def send(
        self, actions: np.ndarray, verdicts: Sequence[bool | None], sources: Sequence[str]
    ) -> None:
        for pipe, *order in zip(self._pipes, actions, verdicts, sources, strict=True):
            self._write(pipe, tuple(order))

    def receive(self) -> list[EnvStep]:
        return [self._read(pipe) for pipe in self._pipes]

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_LEAVE_S)
            process.terminate()

    def _write(self, pipe: Connection, order: tuple[Any, ...] | None) -> None:
        try:
            pipe.send(order)
        except ConnectionError as error:
            raise self._ended(pipe) from error

    def _ended(self, pipe: Connection) -> EnvWorkerError:
        index = self._pipes.index(pipe)
        return EnvWorkerError(
            f"environment process {index} ended (exit code {self._processes[index].exitcode}). "
            "Run with num_envs=0 to see its error in this process."
        )

    def _read(self, pipe: Connection) -> Any:
        try:
            result = pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise self._ended(pipe) from error
        if isinstance(result, _Failure):
            raise EnvWorkerError(f"an environment process failed: {result.text}")
        return result


@dataclass(frozen=True)
class _Failure:
    text: str


def _serve(
    pipe: Connection, make_env: MakeEnv, seed: int, lane: int, first_episode: int, watched: bool
) -> None:
    # Ctrl-C reaches the whole process group; the learner decides when its environments stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        env = EnvLane(make_env, seed, lane, first_episode, watched)
        while True:
            order = pipe.recv()
            pipe.send(env.reset() if order is None else env.step(*order))
    except (EOFError, ConnectionError):
        return  # the learner has gone; a reset where it left a result unread
    except Exception as error:
        traceback.print_exc()
        pipe.send(_Failure(f"{type(error).__name__}: {error}"))

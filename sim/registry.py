"""Every task by name: `<suite>/<task>`, of the suites here and of those that packages add."""

from dataclasses import dataclass
from typing import Protocol

from robot_rl.envs.cameras import CameraSpec
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.plugins import Plugins
from sim.env import SimEnv, Simulation
from sim.renderer import Quality
from sim.rig import CameraRig

SUITES = Plugins(
    "task suite",
    "robot_rl.suites",
    {
        "arm": "sim.suites.arm",
        "dmc": "sim.suites.dm_control",
        "robosuite": "sim.suites.robosuite",
    },
)


class Suite(Protocol):
    """What a task suite is: a module, or any object, with these names.

    `REWARDS` are the values of `task.reward` that its tasks pay by; another one is refused before
    `make` is called. So is `task.state` where `HAS_STATE` is false, and `make` then has no such
    argument.
    """

    REWARDS: tuple[str, ...]
    HAS_STATE: bool

    def tasks(self) -> list[tuple[str, str]]:
        """Names without the suite's own, each with one line about it."""
        ...

    def make(self, name: str, reward: str, **state: bool) -> Simulation:
        """The task `name`, paid by `reward`; with `state=True` its objects are in proprio."""
        ...

    def film_camera(self, name: str) -> str:
        """The camera of the task's model that videos are shot with."""
        ...


@dataclass(frozen=True)
class TaskInfo:
    """One line of `robot-rl list tasks`."""

    name: str
    summary: str


def make_env(
    task: str,
    cameras: tuple[CameraSpec, ...],
    *,
    reward: str = "dense",
    quality: Quality = "lean",
    action_repeat: int = 1,
    use_proprio: bool = True,
    state: bool = False,
) -> SimEnv:
    """An environment for `task`. `state` adds the objects as they are to proprio.

    Raises `UnknownNameError` with the closest names first, `ConfigError` where the task's suite
    has neither this reward nor a state.
    """
    require_task(task)
    place, _, name = task.partition("/")
    suite: Suite = SUITES.load(place)
    _require_offered(task, suite, reward, state)
    simulation = suite.make(name, reward, **({"state": True} if state else {}))

    def make_rig(simulation: Simulation) -> CameraRig:
        return CameraRig(
            simulation.model,
            simulation.data,
            cameras,
            simulation.control_rate_hz,
            quality,
            suite.film_camera(name),
            simulation.hidden_geom_groups,
        )

    return SimEnv(simulation, make_rig, action_repeat, use_proprio)


def _require_offered(task: str, suite: Suite, reward: str, state: bool) -> None:
    if reward not in suite.REWARDS:
        raise ConfigError(
            f"{task} has no task.reward={reward}; its suite pays {' or '.join(suite.REWARDS)}."
        )
    if state and not suite.HAS_STATE:
        raise ConfigError(f"{task} has no task.state=true: its suite does not tell its objects.")


def require_task(task: str) -> None:
    """Raise `UnknownNameError`, closest names first, where there is no such task."""
    suite, _, name = task.partition("/")
    if suite not in SUITES.names() or name not in (n for n, _ in _tasks(suite)):
        raise UnknownNameError("task", task, (info.name for info in list_tasks()))


def list_tasks() -> list[TaskInfo]:
    return [TaskInfo(f"{suite}/{n}", text) for suite in SUITES.names() for n, text in _tasks(suite)]


def _tasks(suite: str) -> list[tuple[str, str]]:
    return SUITES.load(suite).tasks()

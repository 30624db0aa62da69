"""Every task by name: `<suite>/<task>`, of the suites here and of those that packages add."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from robot_rl.config.schema import from_tree
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import DEFAULT_ARM
from robot_rl.envs.variation import VariationConfig
from robot_rl.errors import ConfigError, MissingPackageError, UnknownNameError
from robot_rl.plugins import Plugins
from sim.env import SimEnv, Simulation
from sim.renderer import Quality
from sim.rig import CameraRig

SUITES = Plugins(
    "task suite",
    "robot_rl.suites",
    {
        "adroit": "sim.suites.adroit",
        "arm": "sim.suites.arm",
        "dmc": "sim.suites.dm_control",
        "gymhil": "sim.suites.gymhil",
        "metaworld": "sim.suites.metaworld",
        "ogbench": "sim.suites.ogbench",
        "robosuite": "sim.suites.robosuite",
    },
)


class Suite(Protocol):
    """What a task suite is: a module, or any object, with these names.

    `REWARDS` are the values of `task.reward` that its tasks pay by; another one is refused before
    `make` is called. So is `task.state` where `HAS_STATE` is false. Where tasks have options the
    suite has `options(name)`, too: the dataclass that declares them, None for a task without any.
    Where it needs a package that may be missing that is its `PACKAGE` (sim/packages.py).
    Where `task.arm` chooses who plays its tasks it has `arms()`: the names.
    """

    REWARDS: tuple[str, ...]
    HAS_STATE: bool

    def tasks(self) -> list[tuple[str, str]]:
        """Names without the suite's own, each with one line about it."""
        ...

    def make(self, name: str, reward: str, **extras: Any) -> Simulation:
        """The task `name`, paid by `reward`.

        `extras` has `state=True` where its objects shall be in proprio, `options` where some were
        set, and `arm` where one was chosen; a suite that offers none needs no such arguments.
        """
        ...

    def film_camera(self, name: str) -> str:
        """The camera of the task's model that videos are shot with."""
        ...


@dataclass(frozen=True)
class TaskInfo:
    """One line of `robot-rl list tasks`, with the options of the task and their defaults."""

    name: str
    summary: str
    options: Mapping[str, Any] = field(default_factory=dict)


def make_env(
    task: str,
    cameras: tuple[CameraSpec, ...],
    *,
    reward: str = "dense",
    quality: Quality = "lean",
    action_repeat: int = 1,
    use_proprio: bool = True,
    state: bool = False,
    options: Mapping[str, Any] | None = None,
    arm: str = DEFAULT_ARM,
    variation: VariationConfig | None = None,
) -> SimEnv:
    """An environment for `task`. `state` adds the objects as they are to proprio.

    `options` are the task's own; `variation` says in what its episodes differ. Raises
    `UnknownNameError` with the closest names first, `ConfigError` where the task's suite has
    neither this reward nor a state.
    """
    simulation = make_simulation(task, reward, state, options, arm)
    place, _, name = task.partition("/")
    suite: Suite = SUITES.load(place)

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

    return SimEnv(simulation, make_rig, action_repeat, use_proprio, variation)


def make_simulation(
    task: str,
    reward: str,
    state: bool = False,
    options: Mapping[str, Any] | None = None,
    arm: str = DEFAULT_ARM,
) -> Simulation:
    """The task in its simulator, without cameras. Raises as `make_env` does."""
    chosen = task_options(task, options or {})
    place, _, name = task.partition("/")
    suite: Suite = SUITES.load(place)
    _require_offered(task, suite, reward, state)
    _require_arm(task, arm)
    extras: dict[str, Any] = {"state": True} if state else {}
    extras |= {"options": chosen} if options else {}
    extras |= {"arm": arm} if arm != DEFAULT_ARM else {}
    return suite.make(name, reward, **extras)


def _require_offered(task: str, suite: Suite, reward: str, state: bool) -> None:
    if reward not in suite.REWARDS:
        raise ConfigError(
            f"{task} has no task.reward={reward}; its suite pays {' or '.join(suite.REWARDS)}."
        )
    if state and not suite.HAS_STATE:
        raise ConfigError(f"{task} has no task.state=true: its suite does not tell its objects.")


def require_task(task: str) -> None:
    """Raise `UnknownNameError`, closest names first, where there is no such task."""
    place, _, name = task.partition("/")
    if place in SUITES.names():
        package = getattr(SUITES.load(place), "PACKAGE", None)
        if package is not None and not package.installed:
            raise MissingPackageError(package.name, package.install)
    if place not in SUITES.names() or name not in (n for n, _ in _tasks(place)):
        raise UnknownNameError("task", task, (info.name for info in list_tasks()))


def _require_arm(task: str, arm: str) -> None:
    """Raise where `task.arm` names no arm, or the suite of `task` lets none be chosen."""
    suite = SUITES.load(task.partition("/")[0])
    if arm != DEFAULT_ARM and not hasattr(suite, "arms"):
        raise ConfigError(f"{task} has no task.arm={arm}: its suite brings a robot of its own.")
    if arm != DEFAULT_ARM and arm not in suite.arms():
        raise UnknownNameError("task.arm", arm, suite.arms())


def task_options(task: str, options: Mapping[str, Any]) -> Any:
    """`options` as the dataclass in which `task` declares its own; None where it has none.

    Raises `UnknownNameError` for a task or an option that does not exist.
    """
    require_task(task)
    schema = _options(task)
    if schema is None and options:
        raise ConfigError(f"{task} has no options, and task.options has {', '.join(options)}.")
    return None if schema is None else from_tree(schema, dict(options), "task.options")


def list_tasks() -> list[TaskInfo]:
    return [_info(f"{suite}/{n}", text) for suite in SUITES.names() for n, text in _tasks(suite)]


def missing_suites() -> list[tuple[str, str]]:
    """Suites whose package is not installed, each with the command that brings it."""
    packages = [(name, getattr(SUITES.load(name), "PACKAGE", None)) for name in SUITES.names()]
    return [(name, p.install) for name, p in packages if p is not None and not p.installed]


def _info(task: str, summary: str) -> TaskInfo:
    schema = _options(task)
    return TaskInfo(task, summary, dataclasses.asdict(schema()) if schema else {})


def _options(task: str) -> Any:
    """The dataclass of the task's options; a suite without any need not say so."""
    suite, _, name = task.partition("/")
    offered = getattr(SUITES.load(suite), "options", None)
    return offered(name) if offered else None


def _tasks(suite: str) -> list[tuple[str, str]]:
    return SUITES.load(suite).tasks()

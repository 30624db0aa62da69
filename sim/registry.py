"""Every task by name: `arm/<task>`, `dmc/<domain>_<task>`, `robosuite/<Env>`."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from robot_rl.errors import UnknownNameError
from sim.cameras import CameraSpec
from sim.env import SimEnv, Simulation
from sim.renderer import Quality
from sim.rig import CameraRig

_SUITES = {
    "arm": "sim.suites.arm",
    "dmc": "sim.suites.dm_control",
    "robosuite": "sim.suites.robosuite",
}


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
) -> SimEnv:
    """An environment for `task`. Raises `UnknownNameError` with the closest names first."""
    suite, _, name = task.partition("/")
    if suite not in _SUITES or not name:
        raise UnknownNameError("task", task, (info.name for info in list_tasks()))
    module = importlib.import_module(_SUITES[suite])
    try:
        simulation: Simulation = module.make(name, reward)
    except UnknownNameError as error:
        raise UnknownNameError("task", task, (info.name for info in list_tasks())) from error
    rig = partial(_make_rig, cameras=cameras, quality=quality, film=module.film_camera(name))
    return SimEnv(simulation, rig, action_repeat, use_proprio)


def _make_rig(simulation: Simulation, **kwargs: Any) -> CameraRig:
    return CameraRig(
        simulation.model, simulation.data, kwargs["cameras"], simulation.control_rate_hz,
        kwargs["quality"], kwargs["film"],
    )  # fmt: skip


def list_tasks() -> list[TaskInfo]:
    return [info for suite in _SUITES for info in _suite_tasks(suite)]


def _suite_tasks(suite: str) -> Iterator[TaskInfo]:
    for name, summary in importlib.import_module(_SUITES[suite]).tasks():
        yield TaskInfo(f"{suite}/{name}", summary)

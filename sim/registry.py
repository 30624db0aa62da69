"""Every task by name: `arm/<task>`, `dmc/<domain>_<task>`, `robosuite/<Env>`."""

from dataclasses import dataclass

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
    """An environment for `task`. `state` adds the objects as they are to proprio (arm suite only).

    Raises `UnknownNameError` with the closest names first.
    """
    require_task(task)
    suite, _, name = task.partition("/")
    if state and suite != "arm":
        raise ConfigError(f"{task} has no state=true; only tasks of the arm suite know theirs.")
    module = SUITES.load(suite)
    simulation: Simulation = module.make(name, reward, **({"state": True} if state else {}))

    def make_rig(simulation: Simulation) -> CameraRig:
        return CameraRig(
            simulation.model,
            simulation.data,
            cameras,
            simulation.control_rate_hz,
            quality,
            module.film_camera(name),
            simulation.hidden_geom_groups,
        )

    return SimEnv(simulation, make_rig, action_repeat, use_proprio)


def require_task(task: str) -> None:
    """Raise `UnknownNameError`, closest names first, where there is no such task."""
    suite, _, name = task.partition("/")
    if suite not in SUITES.names() or name not in (n for n, _ in _tasks(suite)):
        raise UnknownNameError("task", task, (info.name for info in list_tasks()))


def list_tasks() -> list[TaskInfo]:
    return [TaskInfo(f"{suite}/{n}", text) for suite in SUITES.names() for n, text in _tasks(suite)]


def _tasks(suite: str) -> list[tuple[str, str]]:
    return SUITES.load(suite).tasks()

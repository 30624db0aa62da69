"""A robot's environment put together from its configuration."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hardware.arm import Arm, OwnScene
from hardware.camera import Camera, CroppedCamera
from hardware.camera_reader import CameraReader
from hardware.cameras.straight import StraightCamera
from hardware.drivers import ARMS, CAMERAS, load_driver
from hardware.guarded_arm import ArmMode, GuardedArm
from hardware.homing import GuardedHoming
from hardware.limits import safety_limits
from hardware.robot_env import RobotEnv, require_cameras
from robot_rl.deploy.safety import SafetyFilter, StopLatch
from robot_rl.envs.calibration import CameraCalibration
from robot_rl.envs.registry import TaskConfig, camera_specs
from robot_rl.envs.robot import RobotCamera, RobotConfig, SafetyConfig
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.types import CameraField, Interface, Scene


def make_env(task: TaskConfig, robot: RobotConfig) -> RobotEnv:
    """`task` on `robot`, connected and standing still.

    To open it is the explicit word that arms it: safety starts unlatched, and a reset moves it.
    Raises `ConfigError`, `UnknownNameError` or `HardwareError` before anything moves.
    """
    _require_offered(task, robot)
    if robot.reset == "person":
        raise ConfigError(
            "robot.reset=person waits for the operator's page of the graph: robot.arm.driver=graph."
        )
    interface, episode_s = contract(task, robot)
    require_cameras(interface, robot.cameras)
    _require_rate(interface, robot.safety)
    arm: Arm = load_driver(ARMS, robot.arm.driver, robot.arm.settings)
    own = arm if isinstance(arm, OwnScene) else None
    success = _judge(robot, own)
    cameras = {
        field.name: _camera(arm, field, robot.cameras[field.name]) for field in interface.cameras
    }
    period_s = 1.0 / interface.control_rate_hz
    guarded = GuardedArm(arm, robot.safety.watchdog_s, silence=ArmMode.HOLDING)
    guarded.start()  # what an arm is may be known only then
    with contextlib.ExitStack() as undo:
        undo.callback(guarded.close)
        limits = safety_limits(robot.safety, arm.features, period_s)
        safety = SafetyFilter(limits, StopLatch([]))
        env = RobotEnv(
            interface,
            guarded,
            cameras,
            safety,
            reset_routine=own.reset_scene
            if own
            else GuardedHoming(guarded, safety, robot.home, period_s),
            success=success,
            max_episode_steps=round(episode_s * interface.control_rate_hz),
            scene=own.scene if own else Scene,
        )
        undo.pop_all()
    return env


def open_arm_and_camera(robot: RobotConfig, camera: str) -> tuple[Arm, CameraReader]:
    """Connected, to look and measure alone; whole frames as the driver sends them.

    `camera` is one of the robot's, the first where it is empty. Raises as `make_env` does.
    """
    if not robot.present:
        raise ConfigError(
            "name the robot that is calibrated: robot=NAME of `robot-rl list robots`."
        )
    name = camera or next(iter(robot.cameras), "")
    if name not in robot.cameras:
        raise UnknownNameError("--camera", name, robot.cameras)
    arm: Arm = load_driver(ARMS, robot.arm.driver, robot.arm.settings)
    reader = CameraReader(_driver(arm, name, robot.cameras[name]))
    with contextlib.ExitStack() as undo:
        arm.connect()
        undo.callback(arm.disconnect)
        reader.start()
        undo.pop_all()
    return arm, reader


def contract(task: TaskConfig, robot: RobotConfig) -> tuple[Interface, float]:
    """The interface of `task` on `robot` and its episodes' length in s; nothing is connected.

    Raises `ConfigError` where neither the robot nor a simulated task tells them.
    """
    rate_hz = robot.control_rate_hz
    if robot.actions and rate_hz and robot.episode_s:
        cameras = tuple(spec.field(rate_hz) for spec in camera_specs(task))
        interface = Interface(
            task=task.name, control_rate_hz=rate_hz, cameras=cameras, proprio=(), actions=()
        )
        episode_s = robot.episode_s
    else:
        interface, episode_s = _simulated(task)
        _require_same_rate(robot, interface.control_rate_hz, task)
    proprio = (robot.proprio or interface.proprio) if task.use_proprio else ()
    actions = robot.actions or interface.actions
    changed = dataclasses.replace(interface, proprio=proprio, actions=actions)
    return changed, robot.episode_s or episode_s


def _simulated(task: TaskConfig) -> tuple[Interface, float]:
    """Interface and episodes' length of the simulated task; nothing is drawn."""
    from sim.env import interface_of
    from sim.registry import SUITES, make_simulation

    if task.name.partition("/")[0] not in SUITES.names():
        raise ConfigError(
            f"no simulated task is called {task.name}, so the robot must say what it measures and "
            "does: robot.actions, robot.proprio, robot.control_rate_hz and robot.episode_s."
        )
    simulation = make_simulation(task.name, task.reward, options=task.options, arm=task.arm)
    cameras = tuple(spec.field(simulation.control_rate_hz) for spec in camera_specs(task))
    interface = interface_of(simulation, cameras, task.action_repeat, task.use_proprio)
    episode_s = simulation.max_episode_steps / simulation.control_rate_hz
    simulation.close()
    return interface, episode_s


def _camera(arm: Any, field: CameraField, config: RobotCamera) -> Camera:
    """Sends what the policy's camera is made of, whatever the driver's own size is."""
    inner = _driver(arm, field.name, config)
    rate_hz = config.rate_hz or field.rate_hz
    if rate_hz < field.rate_hz:
        raise ConfigError(
            f"camera '{field.name}' gives {rate_hz:g} frames per second; the policy looks "
            f"{field.rate_hz:g} times. Raise robot.cameras.{field.name}.rate_hz."
        )
    if config.calibration:
        inner = StraightCamera(inner, CameraCalibration.load(Path(config.calibration)))
    return CroppedCamera(inner, field.name, *field.source_size, config.crop)


def _driver(arm: Any, name: str, config: RobotCamera) -> Camera:
    if config.driver == "arm":
        return _arms_camera(arm, name, config.settings)
    return load_driver(CAMERAS, config.driver, config.settings)


def _arms_camera(arm: Any, name: str, settings: dict[str, Any]) -> Camera:
    if not hasattr(arm, "camera"):
        raise ConfigError(
            f"camera '{name}' has the driver 'arm', and that arm brings no camera. Name a driver "
            "of `robot-rl list cameras`."
        )
    return arm.camera(name, **settings)


def _judge(robot: RobotConfig, own: OwnScene | None) -> Callable[[], bool | None]:
    if robot.success != "driver":
        return lambda: None
    if own is None:
        raise ConfigError(
            f"the driver '{robot.arm.driver}' does not judge success. Set robot.success=person, "
            "or reward_model with reward=NAME."
        )
    return own.success


def _require_offered(task: TaskConfig, robot: RobotConfig) -> None:
    if task.state:
        raise ConfigError("a robot does not tell where its objects are: task.state=false.")
    if task.reward != "sparse" and not task.reward_model.present:
        raise ConfigError(f"a robot pays success alone, not task.reward={task.reward}: sparse.")
    if (robot.success == "reward_model") != task.reward_model.present:
        raise ConfigError(
            f"robot.success={robot.success} and reward={task.reward_model.name or 'none'} do not "
            "go together: success is judged by reward_model exactly where there is one."
        )


def _require_rate(interface: Interface, safety: SafetyConfig) -> None:
    if interface.control_rate_hz * safety.watchdog_s < 1.0:
        raise ConfigError(
            f"at {interface.control_rate_hz:g} Hz the arm's watchdog ({safety.watchdog_s} s) would "
            "stop it within a step. Raise the control rate, or robot.safety.watchdog_s up to 0.2."
        )


def _require_same_rate(robot: RobotConfig, rate_hz: float, task: TaskConfig) -> None:
    if robot.control_rate_hz not in (0.0, rate_hz):
        raise ConfigError(
            f"robot.control_rate_hz is {robot.control_rate_hz:g} and the actions are those of "
            f"{task.name} at {rate_hz:g} Hz. Leave it out, or write robot.actions too."
        )

"""Who may take over: a gate and a device for every environment."""

from collections.abc import Sequence
from pathlib import Path

from robot_rl.agents.base import Agent, Judge
from robot_rl.build.agents import load_agent
from robot_rl.build.config import HumanConfig, TrainConfig
from robot_rl.envs.vector import episode_seed
from robot_rl.errors import ConfigError, MissingPackageError
from robot_rl.interventions.device import NoDevice, TeleopDevice
from robot_rl.interventions.gamepad import open_gamepad
from robot_rl.interventions.gate import Gate
from robot_rl.interventions.keyboard import TerminalKeyboard
from robot_rl.interventions.leader_arm import LeaderArm
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import Driver, OperatorDevice
from robot_rl.interventions.simulated_human import SimulatedHuman
from robot_rl.interventions.spacemouse import SpaceMouse
from robot_rl.interventions.web_device import WebDevice
from robot_rl.plugins import attribute
from robot_rl.types import Interface


def build_gates(config: TrainConfig, interface: Interface, agent: Agent) -> list[Gate]:
    """One gate per environment, with the device that `human.device` names behind it."""
    if by_person(config.human) and config.num_envs > 1:
        raise ConfigError(
            f"human.device={config.human.device} drives one robot, and num_envs={config.num_envs}. "
            "Set num_envs=1, or human.device=simulated."
        )
    return [
        Gate(build_device(config, interface, agent, lane), config.human.gate, interface)
        for lane in range(config.lanes)
    ]


def build_device(
    config: TrainConfig, interface: Interface, agent: Agent | None, lane: int, steps: int = 0
) -> TeleopDevice:
    """What `human.device` names; a simulated human judges by `agent`'s critic, where it has one.

    After `steps` of its lane it is not the one who began.
    """
    human = config.human
    if human.device == "none":
        return NoDevice()
    if by_person(human):
        return open_device(human, interface)
    if human.simulated.judge:
        agent = load_agent(Path(human.simulated.judge), interface)
    judge = agent.judge if isinstance(agent, Judge) else None
    seed = episode_seed(config.seed, lane, steps)
    return SimulatedHuman(human.simulated, interface.control_rate_hz, seed, judge)


def by_person(human: HumanConfig) -> bool:
    """Whether a person takes part, who lives in real time."""
    return human.device not in ("none", "simulated")


def open_device(human: HumanConfig, interface: Interface) -> TeleopDevice:
    """A device that a person holds. Raises `HardwareError` with the remedy where it is missing."""
    operator = OperatorState()
    if human.device == "web":
        return WebDevice(operator, interface, human.port)
    if human.device == "leader":
        return _follow(human, operator, interface)
    if human.device == "graph":
        return _ear()
    axes = [field.name for field in interface.actions]
    return OperatorDevice(operator, open_driver(human, operator, axes), interface)


def open_driver(human: HumanConfig, operator: OperatorState, axes: Sequence[str]) -> Driver:
    """A device that deflects what it can of `axes`. Raises `HardwareError` with the remedy."""
    match human.device:
        case "gamepad":
            return open_gamepad(operator, human.path)
        case "spacemouse":
            return SpaceMouse(operator, axes)
        case _:
            return TerminalKeyboard(operator, axes)


def _ear() -> TeleopDevice:
    try:
        return attribute("robot_rl_nodes.operator_ear:OperatorEar")()
    except ImportError as error:
        raise MissingPackageError("rclpy", "pip install 'robot-rl[ros]'") from error


def _follow(human: HumanConfig, operator: OperatorState, interface: Interface) -> LeaderArm:
    from hardware.drivers import ARMS, load_driver, settings_of

    if not human.driver:
        raise ConfigError(
            "a leader arm needs its driver: human.driver=NAME of `robot-rl list arms`, or "
            "package.module:Class (doctor teleop: --driver)."
        )
    arm = load_driver(ARMS, human.driver, settings_of(human.driver_settings))
    return LeaderArm(arm, operator, TerminalKeyboard(operator, ()), interface)

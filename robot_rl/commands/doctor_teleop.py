"""`robot-rl doctor teleop`: what a device says, live, without moving anything."""

import argparse
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from robot_rl.axes import GRIPPER, TCP_ANGULAR, TCP_LINEAR
from robot_rl.build.config import HumanConfig
from robot_rl.build.people import open_device, open_driver
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.operator_device import OperatorDevice
from robot_rl.types import ActionField, Interface, Scene

_RATE_HZ = 20.0
_AXES = (*TCP_LINEAR, *TCP_ANGULAR, GRIPPER)


def run(arguments: argparse.Namespace) -> int:
    """Shows `--seconds` of it, or until Ctrl-C or the device says stop."""
    human = HumanConfig(
        device=arguments.device,
        path=arguments.path,
        driver=arguments.driver,
        driver_settings=arguments.driver_settings,
    )
    device, interface = _open(human)
    moment = Moment(
        obs={},
        policy_action=interface.hold_action(),
        scene=Scene(measured=dict.fromkeys(_AXES, 0.0)),
    )
    said: list[str] = []
    end_s = time.monotonic() + arguments.seconds
    try:
        device.start()
        with Live(console=Console(stderr=not sys.stdout.isatty()), refresh_per_second=10) as live:
            while time.monotonic() < end_s and "stop" not in said:
                reading = device.read(moment)
                said += sorted(reading.events)
                live.update(_table(arguments.device, interface, reading, said))
                time.sleep(1.0 / _RATE_HZ)
    finally:
        device.close()
    return 0


def _open(human: HumanConfig) -> tuple[TeleopDevice, Interface]:
    """The device, on a robot that has all the axes that it moves."""
    if human.device in ("web", "leader"):
        interface = _interface(_AXES)
        return open_device(human, interface), interface
    operator = OperatorState()
    driver = open_driver(human, operator, _AXES)
    interface = _interface(driver.axes)
    return OperatorDevice(operator, driver, interface), interface


def _table(name: str, interface: Interface, reading: Reading, said: list[str]) -> Table:
    table = Table(title=f"{name}: live input", title_justify="left", box=None, show_header=False)
    state = "lost" if reading.lost else "held" if reading.held else "let go"
    table.add_row("dead-man", state)
    action = interface.hold_action() if reading.action is None else reading.action
    for field, value in zip(interface.actions, action, strict=True):
        bar = "█" * round(10 * abs(float(value)))
        table.add_row(field.name, f"{value:+.2f}  {bar:10s}")
    table.add_row("events", ", ".join(said[-5:]) or "none yet")
    return table


def _interface(axes: Sequence[str]) -> Interface:
    """At the scale of the arm suite."""
    actions = tuple(
        ActionField(
            name=axis,
            unit="rad" if axis in TCP_ANGULAR else "m",
            kind="displacement",
            scale=0.15 if axis in TCP_ANGULAR else 0.03,
            hold=0.0,
        )
        for axis in axes
    )
    return Interface(
        task="doctor/teleop", control_rate_hz=10.0, cameras=(), proprio=(), actions=actions
    )

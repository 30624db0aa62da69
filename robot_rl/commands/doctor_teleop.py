"""`robot-rl doctor teleop`: what a device says, live, without moving anything."""

import argparse
import sys
import time

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from robot_rl.build.config import HumanConfig
from robot_rl.build.people import open_device
from robot_rl.interventions.device import Moment, Reading
from robot_rl.types import PROPRIO, ActionField, Interface, ProprioField

_RATE_HZ = 20.0
_FIELDS = ("tcp_x", "tcp_y", "tcp_z", "gripper")


def run(arguments: argparse.Namespace) -> int:
    """Shows `--seconds` of it, or until Ctrl-C or the device says stop."""
    human = HumanConfig(
        device=arguments.device,
        path=arguments.path,
        driver=arguments.driver,
        driver_settings=arguments.driver_settings,
    )
    device = open_device(human, _interface())
    moment = Moment(obs={PROPRIO: np.zeros(4, np.float32)}, policy_action=np.zeros(4, np.float32))
    said: list[str] = []
    end_s = time.monotonic() + arguments.seconds
    try:
        device.start()
        with Live(console=Console(stderr=not sys.stdout.isatty()), refresh_per_second=10) as live:
            while time.monotonic() < end_s and "stop" not in said:
                reading = device.read(moment)
                said += sorted(reading.events)
                live.update(_table(arguments.device, reading, said))
                time.sleep(1.0 / _RATE_HZ)
    finally:
        device.close()
    return 0


def _table(name: str, reading: Reading, said: list[str]) -> Table:
    table = Table(title=f"{name}: live input", title_justify="left", box=None, show_header=False)
    state = "lost" if reading.lost else "held" if reading.held else "let go"
    table.add_row("dead-man", state)
    action = np.zeros(4) if reading.action is None else reading.action
    for field, value in zip(_FIELDS, action, strict=True):
        bar = "█" * round(10 * abs(float(value)))
        table.add_row(field, f"{value:+.2f}  {bar:10s}")
    table.add_row("events", ", ".join(said[-5:]) or "none yet")
    return table


def _interface() -> Interface:
    """An arm of the suite, at its scale."""
    actions = [
        ActionField(
            name=n,
            unit="m",
            kind="displacement",
            scale=-0.02 if n == "gripper" else 0.03,
            hold=0.0,
        )
        for n in _FIELDS
    ]
    proprio = (
        ProprioField(name="tcp_pos", unit="m", size=3),
        ProprioField(name="gripper_opening", unit="m", size=1),
    )
    return Interface(
        task="doctor/teleop",
        control_rate_hz=10.0,
        cameras=(),
        proprio=proprio,
        actions=tuple(actions),
    )

"""A gamepad through the kernel's event device: no window system, no daemon."""

import contextlib
import os
import select
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_rl.axes import GRIPPER
from robot_rl.errors import HardwareError, MissingPackageError
from robot_rl.interventions.device import Event
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.polled import PolledDriver

# struct input_event: seconds, microseconds, type, code, value.
EVENT = struct.Struct("llHHi")
EV_KEY, EV_ABS = 1, 3
# Linux's gamepad codes (input-event-codes.h).
ABS_X, ABS_Y, ABS_RX, ABS_RY, ABS_HAT0X, ABS_HAT0Y = 0, 1, 3, 4, 16, 17
BTN_SOUTH, BTN_EAST, BTN_NORTH, BTN_WEST = 304, 305, 307, 308
BTN_TL, BTN_TR, BTN_TL2, BTN_TR2, BTN_SELECT, BTN_START = 310, 311, 312, 313, 314, 315

DEADMAN = BTN_TR
_OPEN, _CLOSE = BTN_EAST, BTN_SOUTH
# Where each axis is on the pad, and its sign there: forward is -1, and so is left.
_STICKS = {
    "tcp_x": (ABS_Y, -1.0),
    "tcp_y": (ABS_X, -1.0),
    "tcp_z": (ABS_RY, -1.0),
    "tcp_rx": (ABS_HAT0X, 1.0),
    "tcp_ry": (ABS_HAT0Y, -1.0),
    "tcp_rz": (ABS_RX, -1.0),
}
_SAYINGS: dict[int, Event] = {
    BTN_NORTH: "success",
    BTN_WEST: "failure",
    BTN_SELECT: "rerecord",
    BTN_START: "stop",
}
HELP = (
    "hold RB to drive   left stick: x, y   right stick: z, yaw   cross: roll, pitch   A: close   "
    "B: open\nY: success   X: failure   select: record again   start: stop"
)
_NODES = Path("/dev/input")
_DEADZONE = 0.1
_POLL_S = 0.02
_UDEV = (
    'put  SUBSYSTEM=="input", TAG+="uaccess"  into /etc/udev/rules.d/70-robot-rl-input.rules, '
    "run `sudo udevadm control --reload && sudo udevadm trigger`, and plug it in again"
)


@dataclass(frozen=True)
class AxisRange:
    """Raw values of an axis at its two ends."""

    low: int
    high: int

    def scaled(self, raw: int) -> float:
        """In [-1, 1], 0 inside the dead zone."""
        value = 2.0 * (raw - self.low) / max(1, self.high - self.low) - 1.0
        return 0.0 if abs(value) < _DEADZONE else min(max(value, -1.0), 1.0)


class Gamepad(PolledDriver):
    """Reads `struct input_event` from `fd`; moves what it has sticks for, and the gripper."""

    help = HELP

    def __init__(
        self, operator: OperatorState, fd: int, ranges: Mapping[int, AxisRange], name: str
    ) -> None:
        super().__init__(operator)
        self._fd, self._ranges, self._name = fd, ranges, name
        self._sticks = {axis: at for axis, at in _STICKS.items() if at[0] in ranges}
        self.axes = (*self._sticks, GRIPPER)
        self._raw: dict[int, float] = {}
        self._pressed: set[int] = set()

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def _poll(self) -> None:
        try:
            if select.select([self._fd], [], [], _POLL_S)[0]:
                self._take(os.read(self._fd, 64 * EVENT.size))
        except OSError:
            self._take(b"")
        self._tell()

    def _take(self, data: bytes) -> None:
        if not data:
            self.gone(f"{self._name} was unplugged")
            self._pressed.clear()
        whole = len(data) // EVENT.size * EVENT.size
        for _, _, kind, code, value in EVENT.iter_unpack(data[:whole]):
            if kind == EV_ABS and code in self._ranges:
                self._raw[code] = self._ranges[code].scaled(value)
            elif kind == EV_KEY:
                self._press(code, value)

    def _press(self, code: int, value: int) -> None:
        (self._pressed.add if value else self._pressed.discard)(code)
        if value == 1 and code in _SAYINGS:
            self._operator.say(_SAYINGS[code])

    def _tell(self) -> None:
        axes = {
            axis: sign * self._raw.get(code, 0.0) for axis, (code, sign) in self._sticks.items()
        }
        axes[GRIPPER] = float(_OPEN in self._pressed) - float(_CLOSE in self._pressed)
        self._operator.set(DEADMAN in self._pressed, axes)


def open_gamepad(operator: OperatorState, path: str = "") -> Gamepad:
    """The event device at `path`, or the first gamepad found.

    Raises `HardwareError` where there is none, or none that may be read: then with the udev rule.
    """
    evdev = _evdev()
    found = Path(path) if path else _first_gamepad()
    try:
        device = evdev.InputDevice(str(found))
    except PermissionError as error:
        raise _no_permission(str(found)) from error
    except OSError as error:
        raise HardwareError(f"{found} is no event device: {error}.") from error
    axes = device.capabilities().get(EV_ABS, [])
    ranges = {code: AxisRange(info.min, info.max) for code, info in axes}
    return Gamepad(operator, os.dup(device.fd), ranges, f"the gamepad {device.name}")


def _first_gamepad() -> Path:
    evdev = _evdev()
    nodes = sorted(_NODES.glob("event*"))
    unreadable = [node for node in nodes if not os.access(node, os.R_OK)]
    for node in nodes:
        if node in unreadable:
            continue
        if BTN_SOUTH in evdev.InputDevice(str(node)).capabilities().get(EV_KEY, []):
            return node
    if unreadable:
        raise _no_permission(", ".join(map(str, unreadable[:4])))
    raise HardwareError(
        f"no gamepad found under {_NODES}. Plug one in, or name its node: "
        "human.path=/dev/input/eventN."
    )


def _evdev() -> Any:
    try:
        import evdev
    except ImportError as error:
        raise MissingPackageError("evdev", "pip install 'robot-rl[teleop]'") from error
    return evdev


def _no_permission(nodes: str) -> HardwareError:
    return HardwareError(f"no permission to read {nodes}: {_UDEV}.")

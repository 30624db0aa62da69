"""Driving from a terminal, also over ssh: no window system, no key-release events."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterable
from typing import Any

from robot_rl.errors import HardwareError
from robot_rl.interventions.controls import Control, controls
from robot_rl.interventions.device import Event
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.polled import PolledDriver

SAYINGS: dict[str, Event] = {"y": "success", "n": "failure", "x": "rerecord", "q": "stop"}
_HELP = (
    "{keys}   space: take over, still   any other key: let go\n"
    "y: success   n: failure   x: record again   q: stop"
)
# A terminal repeats a held key at some 30 Hz after a first pause: a tap is a short jog.
_HELD_S = 0.15
_POLL_S = 0.02


def require_terminal(stream: Any = None) -> int:
    """The file number of `stream`, or of the terminal. Raises `HardwareError` without one."""
    number = (stream or sys.stdin).fileno()
    if not os.isatty(number):
        raise HardwareError("the keyboard needs a terminal; start this in one by itself.")
    return number


class TerminalKeyboard(PolledDriver):
    """Moves `axes`, as far as there are keys for them.

    A key counts as held for 0.15 s after it was last seen; anything else lets go at once.
    """

    def __init__(self, operator: OperatorState, axes: Iterable[str], stream: Any = None) -> None:
        super().__init__(operator)
        found = [control for control in controls(axes) if control.keys]
        self.axes = tuple(control.axis for control in found)
        self.help = _HELP.format(keys="   ".join(map(_line, found)))
        self._moves: dict[str, dict[str, float]] = {" ": {}}
        for control in found:
            more, less = control.keys
            self._moves |= {more: {control.axis: 1.0}, less: {control.axis: -1.0}}
        self._fd = require_terminal(stream)
        self._deflected, self._until_s = self._moves[" "], 0.0

    def _open(self) -> None:
        self._saved = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)

    def _shut(self) -> None:
        with contextlib.suppress(termios.error):  # of a terminal that was closed
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)

    def _poll(self) -> None:
        if select.select([self._fd], [], [], _POLL_S)[0]:
            key = self._key()
            self._deflected = self._moves.get(key, {})
            self._until_s = time.monotonic() + _HELD_S if key in self._moves else 0.0
            if key in SAYINGS:
                self._operator.say(SAYINGS[key])
        self._operator.set(time.monotonic() < self._until_s, self._deflected)

    def _key(self) -> str:
        """The newest key; of a terminal that was closed, none any more."""
        try:
            typed = os.read(self._fd, 64)
        except OSError:
            typed = b""
        if not typed:
            self.gone("the terminal of the keyboard was closed")
        return typed.decode(errors="ignore")[-1:].lower()


def _line(control: Control) -> str:
    return f"{control.keys[0]}/{control.keys[1]}: {control.name}"

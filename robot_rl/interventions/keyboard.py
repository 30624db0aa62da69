"""Driving from a terminal, also over ssh: no window system, no key-release events."""

import os
import select
import sys
import termios
import threading
import time
import tty
from typing import Any

from robot_rl.errors import HardwareError
from robot_rl.interventions.device import Event
from robot_rl.interventions.operator import STILL, Axes, OperatorState

KEYS: dict[str, Axes] = {
    "w": (1, 0, 0, 0), "s": (-1, 0, 0, 0), "a": (0, 1, 0, 0), "d": (0, -1, 0, 0),
    "r": (0, 0, 1, 0), "f": (0, 0, -1, 0), "o": (0, 0, 0, 1), "c": (0, 0, 0, -1),
    " ": STILL,
}  # fmt: skip
SAYINGS: dict[str, Event] = {"y": "success", "n": "failure", "x": "rerecord", "q": "stop"}
HELP = (
    "w/s: x   a/d: y   r/f: z   o/c: gripper   space: take over, still   any other key: let go\n"
    "y: success   n: failure   x: record again   q: stop"
)
# A terminal repeats a held key at some 30 Hz after a first pause: a tap is a short jog.
_HELD_S = 0.15
_POLL_S = 0.02


class TerminalKeyboard:
    """A key counts as held for 0.15 s after it was last seen; anything else lets go at once."""

    def __init__(self, operator: OperatorState, stream: Any = None) -> None:
        self._operator = operator
        self._fd = (stream or sys.stdin).fileno()
        if not os.isatty(self._fd):
            raise HardwareError("the keyboard needs a terminal; start this node in one by itself.")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="keyboard", daemon=True)

    def start(self) -> None:
        self._saved = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        print(HELP, flush=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(timeout=1.0)
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)

    def _listen(self) -> None:
        axes, until_s = STILL, 0.0
        while not self._closing.is_set():
            ready, _, _ = select.select([self._fd], [], [], _POLL_S)
            if ready:
                key = self._key()
                axes = KEYS.get(key, STILL)
                until_s = time.monotonic() + _HELD_S if key in KEYS else 0.0
                if key in SAYINGS:
                    self._operator.say(SAYINGS[key])
            self._operator.set(time.monotonic() < until_s, axes)

    def _key(self) -> str:
        """The newest key; of a terminal that was closed, none any more."""
        try:
            typed = os.read(self._fd, 64)
        except OSError:
            typed = b""
        if not typed:
            self._operator.gone = "the terminal of the keyboard was closed"
            self._closing.set()
        return typed.decode(errors="ignore")[-1:].lower()

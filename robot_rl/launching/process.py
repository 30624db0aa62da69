"""Becomes a `robot-rl` command that stops in order when the process that started it dies.

`python -m robot_rl.launching.process PARENT COMMAND ...`, PARENT being that process's id. Without
this the runs of a killed launcher, or of a lost node, would go on where nobody sees them.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def follow(parent: int) -> None:
    """Get SIGTERM when `parent` dies, through `exec`, too; end at once where it is dead already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(128 + signal.SIGTERM)


def become(arguments: Sequence[str]) -> NoReturn:
    """PARENT, and the words of the command."""
    follow(int(arguments[0]))
    os.execv(sys.executable, [sys.executable, "-m", "robot_rl.cli", *arguments[1:]])


if __name__ == "__main__":
    become(sys.argv[1:])

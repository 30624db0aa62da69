"""Killed at every place where it matters: between any two touches of the file system."""

import os
import sys
from collections.abc import Callable

# What Python tells an audit hook before it touches the file system.
_TOUCHES = ("open", "os.", "shutil.")


def killed_at(touch: int, work: Callable[[], object]) -> bool:
    """Do `work` in a process that is killed before its `touch`-th touch; whether it was."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    left = touch

    def watch(event: str, arguments: object) -> None:
        nonlocal left
        left -= event.startswith(_TOUCHES)
        if left < 0:
            os._exit(9)

    sys.addaudithook(watch)
    work()
    os._exit(0)

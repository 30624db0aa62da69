"""What the control path asks of a machine: to run first, with nothing to wait for in between."""

import gc
import os
import sys
import time
from pathlib import Path

# Who goes first where several want to run; all others of the machine come after them.
SAFETY, BODY, MIND = 30, 20, 10
_SWITCH_S = 0.0005
_NOTABLE_S = 0.03
_REMEMBERED_S = 1.0


def hurry(rank: int) -> str:
    """Give every thread of this process the real-time priority `rank`; why not, where refused.

    Nice values would not help: Linux groups processes by session, and weighs them only within one.
    """
    gc.collect()
    gc.freeze()  # what was loaded stays: later collections look at little, and take no time
    sys.setswitchinterval(_SWITCH_S)  # Python's 5 ms are an age to a thread that waits for another
    try:
        for task in Path("/proc/self/task").iterdir():
            promote(int(task.name), rank)
    except PermissionError:
        return (
            "no real-time priority: other work on this machine may stop the robot. Allow it with "
            f"'ulimit -r {SAFETY}', or rtprio in /etc/security/limits.conf."
        )
    return ""


def promote(thread_id: int, rank: int) -> None:
    """Raises `PermissionError` where this user may not."""
    os.sched_setscheduler(thread_id, os.SCHED_RR, os.sched_param(rank))


class Punctuality:
    """How late a steady timer runs: only a machine without time makes it so."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._last_s = time.monotonic()
        self._worst_s = self._worst_at_s = 0.0

    def tick(self) -> None:
        now_s = time.monotonic()
        late_s, self._last_s = now_s - self._last_s - self._period_s, now_s
        if late_s >= self._worst_s or now_s - self._worst_at_s > _REMEMBERED_S:
            self._worst_s, self._worst_at_s = late_s, now_s

    @property
    def late_s(self) -> float:
        """The worst of the last second, if it matters; else 0."""
        recent = time.monotonic() - self._worst_at_s <= _REMEMBERED_S
        return self._worst_s if recent and self._worst_s > _NOTABLE_S else 0.0

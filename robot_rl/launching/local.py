"""Jobs as processes of this machine, so many at once."""

import subprocess
from collections import deque
from collections.abc import Sequence

from robot_rl.launching.jobs import Job, State


class LocalLauncher:
    """Starts `at_once` of `jobs`, and the next ones as these end."""

    def __init__(self, jobs: Sequence[Job], at_once: int) -> None:
        self._at_once = at_once
        self._waiting = deque(jobs)
        self._running: dict[Job, subprocess.Popen[bytes]] = {}
        self._states: dict[Job, State] = dict.fromkeys(jobs, "waiting")

    def poll(self) -> dict[Job, State]:
        """Where every job stands now."""
        for job, process in list(self._running.items()):
            code = process.poll()
            if code is not None:
                del self._running[job]
                self._states[job] = job.state_after(code)
        while self._waiting and len(self._running) < self._at_once:
            job = self._waiting.popleft()
            self._running[job] = job.start()
            self._states[job] = "running"
        return dict(self._states)

    def stop(self) -> None:
        """Every run stops in order; those that did not start stay where they are."""
        self._waiting.clear()
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait()

    def close(self) -> None:
        """Nothing outlives the processes."""

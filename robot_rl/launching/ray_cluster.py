"""Jobs as tasks of a Ray cluster whose machines share the folder of the runs.

A task is the process of a run. Where a node is lost, Ray starts its tasks anew on another, and the
runs go on from their last checkpoints.
"""

import logging
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robot_rl.errors import ConfigError, MissingPackageError, RunDirectoryError
from robot_rl.jsonlines import JsonLines
from robot_rl.launching.jobs import Job, LauncherConfig, State
from robot_rl.training.run import RunDirectory

log = logging.getLogger(__name__)

STARTS = "starts.jsonl"
_POLL_S = 0.2
_RELEASED_WITHIN_S = 120.0
_ANSWERS_WITHIN_S = 5.0


class InterruptedRunError(Exception):
    """A run was told to stop by somebody else than its launcher: its node goes down."""


class RayLauncher:
    """All `jobs` at once; Ray decides which of them run, and where."""

    def __init__(self, jobs: Sequence[Job], config: LauncherConfig) -> None:
        self._ray = connected(config.address, "launcher.address")
        work = self._ray.remote(
            num_cpus=config.cpus,
            num_gpus=config.gpus,
            max_retries=-1,
            retry_exceptions=[InterruptedRunError],
        )(carry_out)
        self._states: dict[Job, State] = dict.fromkeys(jobs, "waiting")
        for job in jobs:
            stop_mark(job).unlink(missing_ok=True)
        self._before = {job: len(starts(job)) for job in jobs}
        self._refs = {job: work.remote(job) for job in jobs}

    def poll(self) -> dict[Job, State]:
        """Where every job stands now."""
        for job, ref in list(self._refs.items()):
            if len(starts(job)) > self._before[job]:
                self._states[job] = "running"
            if self._ray.wait([ref], timeout=0)[0]:
                del self._refs[job]
                self._states[job] = self._outcome(job, ref)
        return dict(self._states)

    def _outcome(self, job: Job, ref: Any) -> State:
        try:
            return job.state_after(self._ray.get(ref))
        except self._ray.exceptions.TaskCancelledError:
            return "stopped"
        except self._ray.exceptions.RayError as error:
            log.error("%s: %s", job.name, str(error).strip().splitlines()[-1])
            return "failed"

    def stop(self) -> None:
        """Every run stops in order. A task that is just being started misses a cancellation, so
        that it is told on disk as well.
        """
        for job, ref in self._refs.items():
            stop_mark(job).touch()
            self._ray.cancel(ref)
        refs = list(self._refs.values())
        self._ray.wait(refs, num_returns=len(refs), timeout=_RELEASED_WITHIN_S) if refs else None

    def close(self) -> None:
        self._ray.shutdown()


def carry_out(job: Job) -> int:
    """The exit code of the run, on whatever node this is called.

    Raises `InterruptedRunError` where it did not come to its end, so that it goes on elsewhere.
    """
    wait_until_free(job)
    if stop_mark(job).exists():
        return 0
    process = job.start()
    told = JsonLines(job.run_dir / STARTS)
    told.write({"host": socket.gethostname(), "pid": process.pid, "at": round(time.time(), 1)})
    told.close()
    try:
        while process.poll() is None and not stop_mark(job).exists():
            time.sleep(_POLL_S)
    finally:  # told to stop, on disk or by a cancellation
        process.terminate()
        code = process.wait()
    if job.state_after(code) == "stopped" and not stop_mark(job).exists():
        raise InterruptedRunError(job.name)
    return code


def stop_mark(job: Job) -> Path:
    """There while nobody wants any run of the sweep to go on."""
    return job.run_dir.parent / ".stop"


def starts(job: Job) -> list[str]:
    """A line for each time that the job was begun."""
    path = job.run_dir / STARTS
    return path.read_text().splitlines() if path.exists() else []


def wait_until_free(job: Job) -> None:
    """A run whose node was lost may still be saving what it has."""
    deadline_s = time.monotonic() + _RELEASED_WITHIN_S
    while True:
        run = RunDirectory(job.run_dir)
        try:
            run.open()
        except RunDirectoryError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_POLL_S)
        else:
            run.close()
            return


def connected(address: str, setting: str) -> Any:
    """The module, with the cluster at `address` behind it; `setting` says where that was typed.

    An empty one starts a cluster of this machine alone. Raises `ConfigError` where none answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError("ray", "pip install 'robot-rl[cluster]'") from error
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            _require_answer(address)
            ray.init(address=address, **quiet)
        else:
            ray.init(include_dashboard=False, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"no Ray cluster answers at {setting}={address or 'this machine'} "
            f"({reason}). Start one with: ray start --head"
        ) from error
    return ray


def _require_answer(address: str) -> None:
    """Raises `OSError` where nobody listens; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), _ANSWERS_WITHIN_S).close()

"""A sweep from its first job to its last, or to an orderly stop."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.live import Live

from robot_rl.launching.jobs import ENDED, Job, LauncherConfig, State
from robot_rl.launching.local import LocalLauncher
from robot_rl.launching.progress import Progress, table
from robot_rl.training.run import StopSignals

_POLL_S = 0.5


class Launcher(Protocol):
    """Carries out jobs."""

    def poll(self) -> dict[Job, State]: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class Watch:
    """What a person sees: a live table on a terminal, else a line for whatever changes."""

    def __init__(self, title: str, jobs: Sequence[Job]) -> None:
        self._title = title
        self._console = Console(stderr=True)
        self._progress = [Progress(job) for job in jobs]
        self.states: dict[Job, State] = dict.fromkeys(jobs, "waiting")
        self._live = Live(console=self._console) if sys.stderr.isatty() else None
        if self._live is not None:
            self._live.start()

    def show(self, states: dict[Job, State]) -> bool:
        """Whether all have ended."""
        before, self.states = self.states, states
        for run in self._progress:
            evaluated = run.refresh()
            if self._live is None and (evaluated or states[run.job] != before[run.job]):
                self._say(
                    f"{run.job.name}  {states[run.job]}  {run.at}  {run.minutes} min  {run.score}"
                )
        if self._live is not None:
            self._live.update(table(self._title, states, self._progress))
        return all(state in ENDED for state in states.values())

    def close(self) -> None:
        """The table stays, with the last words of what failed."""
        if self._live is not None:
            self._live.stop()
        else:
            self._console.print(table(self._title, self.states, self._progress))
        for job, state in self.states.items():
            if state == "failed":
                self._say(f"{job.name} failed: {job.last_words()} ({job.log})")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def carry_out(root: Path, jobs: Sequence[Job], config: LauncherConfig) -> bool:
    """Whether every job came to its end; those that did before are not done again."""
    left = [job for job in jobs if not job.complete]
    done: dict[Job, State] = {job: "done" for job in jobs if job not in left}
    launcher = make_launcher(left, config)
    watch = Watch(f"{root}  {len(jobs)} runs", jobs)
    try:
        with StopSignals() as stop:  # after Ray, which catches signals, too
            _see_through(launcher, lambda: watch.show(done | launcher.poll()), stop)
    finally:
        launcher.close()
        watch.close()
    return all(state == "done" for state in watch.states.values())


def _see_through(launcher: Launcher, show: Callable[[], bool], stop: Callable[[], bool]) -> None:
    """Until `show` says that all have ended, or an orderly stop."""
    while not show() and not stop():
        time.sleep(_POLL_S)
    if stop():
        launcher.stop()
        show()


def make_launcher(jobs: Sequence[Job], config: LauncherConfig) -> Launcher:
    if config.name == "ray":
        from robot_rl.launching.ray_cluster import RayLauncher

        return RayLauncher(jobs, config)
    return LocalLauncher(jobs, config.at_once or _as_many_as_fit())


def _as_many_as_fit() -> int:
    """Runs side by side: they would share one GPU, but each has a core."""
    import torch

    return 1 if torch.cuda.is_available() else len(os.sched_getaffinity(0))

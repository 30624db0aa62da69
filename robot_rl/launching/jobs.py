"""The jobs of a sweep. Each is a run in a folder of its own, and can be resumed as any run can."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from robot_rl.errors import ConfigError
from robot_rl.training.run import RunDirectory

State = Literal["waiting", "running", "done", "stopped", "failed"]
ENDED: tuple[State, ...] = ("done", "stopped", "failed")


@dataclass(frozen=True, kw_only=True)
class LauncherConfig:
    """`launcher=NAME launcher.KEY=...` of a sweep.

    `local`: `at_once` processes on this machine; 0 are as many as it has cores, or one with CUDA.
    `ray`: as many as fit a Ray cluster when each takes `cpus` and `gpus`. `address` is the
    cluster's, or `auto`; empty starts one of this machine alone.
    """

    name: Literal["local", "ray"] = "local"
    at_once: int = 0
    address: str = ""
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.at_once < 0 or self.cpus <= 0 or self.gpus < 0:
            raise ConfigError(
                f"launcher has at_once {self.at_once}, cpus {self.cpus} and gpus {self.gpus}; it "
                "needs at_once >= 0, cpus > 0 and gpus >= 0."
            )


@dataclass(frozen=True)
class Job:
    """`total` is how far it goes, in steps or, where it learns offline, in updates."""

    run_dir: Path
    overrides: tuple[str, ...]
    total: int
    clock: Literal["step", "updates"]
    cwd: Path

    @property
    def name(self) -> str:
        return self.run_dir.name

    @property
    def log(self) -> Path:
        """What the run says."""
        return self.run_dir / "job.log"

    @property
    def complete(self) -> bool:
        """Whether a run of just these settings came to its end here. One whose settings cannot be
        read did not: started, it says what is wrong.
        """
        run = RunDirectory(self.run_dir)
        typed = run.root / "overrides.json"
        if not (run.policy.exists() and typed.exists()):
            return False
        try:
            return json.loads(typed.read_text()) == list(self.overrides)
        except ValueError:
            return False

    def start(self) -> subprocess.Popen[bytes]:
        """The run as a process that a terminal's Ctrl-C does not reach, and that is told to stop
        when the process that started it dies.
        """
        self.run_dir.mkdir(parents=True, exist_ok=True)
        work = [sys.executable, "-m", "robot_rl.launching.process", str(os.getpid())]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*work, "train", f"run_dir={self.run_dir}", *self.overrides],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.cwd,
                start_new_session=True,
            )

    def state_after(self, code: int) -> State:
        """What an exit code means: a run that was told to stop ends with 0, too, or by the signal
        where it had hardly begun.
        """
        if code == -signal.SIGTERM:
            return "stopped"
        if code:
            return "failed"
        return "done" if self.complete else "stopped"

    def last_words(self) -> str:
        """The last line of its log."""
        if not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def with_one_thread(overrides: Sequence[str]) -> tuple[str, ...]:
    """A job's share of a machine, unless something else was typed."""
    typed = any(text.partition("=")[0] == "threads" for text in overrides)
    return tuple(overrides) if typed else (*overrides, "threads=1")

"""Command lines of runs that end in seconds, in processes of their own."""

import atexit
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from robot_rl.cli import main

REPOSITORY = Path(__file__).parent.parent.parent
# No other setting makes the network, the batch or the evaluation smaller.
TINY = (
    "task=arm/reach",
    "agent.seed_steps=20",
    "threads=1",
    "log_every_steps=10",
    "eval_episodes=1",
    "eval_every_steps=1000000",
    "final_eval_episodes=2",
    "video=false",
    "agent.batch_size=4",
    "agent.network.hidden_dim=16",
    "replay.capacity=3000",
    "agent.network.feature_dim=8",
)

# Forks every command from one process that has imported torch: seconds less for each of them.
_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(
    [
        "robot_rl.agents.drqv2",
        "robot_rl.commands.eval",
        "robot_rl.commands.train",
        "sim.registry",
        "hydra._internal.hydra",
        "matplotlib.backends.backend_agg",
        "torch._dynamo",
        "torch.utils.tensorboard",
    ]
)


def command(*arguments: str) -> list[str]:
    """The command as a user starts it."""
    return [sys.executable, "-m", "robot_rl.cli", *arguments]


class Running:
    """A command in a process of its own, which may be killed."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._told = Path(tempfile.mkdtemp(prefix="robot-rl-"))
        self._process = _WARM.Process(target=_work, args=(arguments, self._told))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        atexit.register(self._process.kill)  # of a test that failed; its end would be waited for

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def done(self, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """What it came to; raises `TimeoutExpired` as `subprocess.run` does."""
        self._process.join(timeout_s)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            raise subprocess.TimeoutExpired(self._arguments, timeout_s)
        out, err = ((self._told / name).read_text() for name in ("out", "err"))
        return subprocess.CompletedProcess(self._arguments, code, out, err)


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return Running(*arguments).done()


def metrics(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def _work(arguments: tuple[str, ...], told: Path) -> None:
    os.chdir(REPOSITORY)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(told / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    raise SystemExit(main(arguments))

"""Starts processes in groups of their own and takes them all down together."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import yaml

from robot_rl_nodes.launching.evaluate import Process

_PATIENCE_S = (5.0, 2.0)
_POLL_S = 0.1


def run(processes: Sequence[Process]) -> int:
    """Until one process ends or a signal comes; then SIGINT, SIGTERM, SIGKILL to each group.

    0 where all ended well or were asked to; else the first bad exit status.
    """
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    with tempfile.TemporaryDirectory(prefix="robot-rl-launch-") as folder:
        running = [_start(process, i, Path(folder)) for i, process in enumerate(processes)]
        while not asked.is_set() and all(child.poll() is None for child in running):
            time.sleep(_POLL_S)
        ended = [
            (process.name, child.returncode)
            for process, child in zip(processes, running, strict=True)
            if child.poll() is not None
        ]
        _stop(running)
    for name, code in ended:
        print(
            f"robot-rl: {name} ended with status {code}; the others were stopped.",
            file=sys.stderr,
            flush=True,
        )
    return next((code for _, code in ended if code), 0)


def _start(process: Process, number: int, folder: Path) -> subprocess.Popen[str]:
    command = list(process.command)
    for place, parameters in enumerate(process.parameters):
        path = parameters
        if isinstance(parameters, dict):
            path = folder / f"{number}-{place}.yaml"
            path.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}))
        command += ["--params-file", str(path)]
    child = subprocess.Popen(
        command,
        env={**os.environ, **process.environment},
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=1,
    )
    assert child.stdout is not None
    threading.Thread(target=_echo, args=(process.name, child.stdout), daemon=True).start()
    return child


def _echo(name: str, lines: IO[str]) -> None:
    for line in lines:
        print(f"[{name}] {line.rstrip()}", flush=True)


def _stop(running: Sequence[subprocess.Popen[str]]) -> None:
    for number, patience_s in zip((signal.SIGINT, signal.SIGTERM), _PATIENCE_S, strict=True):
        _signal(running, number)
        end_s = time.monotonic() + patience_s
        while time.monotonic() < end_s and any(child.poll() is None for child in running):
            time.sleep(_POLL_S)
    _signal(running, signal.SIGKILL)
    for child in running:
        child.wait()


def _signal(running: Sequence[subprocess.Popen[str]], number: int) -> None:
    for child in running:
        if child.poll() is None:
            # The whole group: a node may have children of its own.
            os.killpg(child.pid, number)

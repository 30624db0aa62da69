"""Actors as tasks of a Ray cluster: where a node is lost, its actors go on elsewhere."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robot_rl.errors import EnvWorkerError
from robot_rl.launching.ray_cluster import connected
from robot_rl.training.run import write_text

_LEAVE_S = 20.0


class RayCrew:
    """Each of `commands`, words after `robot-rl`, as a task that Ray starts anew elsewhere where
    its node is lost.

    What an actor had not sent when its node was lost is lost with it. The cluster keeps strangers
    out by its own token, RAY_AUTH_MODE=token.
    """

    ours = True

    def __init__(
        self, commands: Sequence[Sequence[str]], token: bytes, address: str, cpus: float
    ) -> None:
        self._ray = connected(address, "actors.ray_address")
        task = self._ray.remote(num_cpus=cpus, max_retries=-1)(carry_out)
        self._refs = [task.remote(tuple(command), token) for command in commands]

    def keep_up(self, connected: set[int]) -> bool:
        """Raises `EnvWorkerError` for an actor that ended by an error of its own."""
        for actor, ref in enumerate(self._refs):
            if self._ray.wait([ref], timeout=0)[0]:
                self._require_success(actor, ref)
                return True
        return False

    def stop(self) -> None:
        for ref in self._refs:
            self._ray.cancel(ref)
        if self._refs:
            self._ray.wait(self._refs, num_returns=len(self._refs), timeout=_LEAVE_S)
        self._ray.shutdown()

    def _require_success(self, actor: int, ref: Any) -> None:
        try:
            said = self._ray.get(ref)
        except self._ray.exceptions.TaskCancelledError:
            return
        except self._ray.exceptions.RayError as error:
            said = str(error).strip().splitlines()[-1]
        if said:
            raise EnvWorkerError(f"actor {actor} ended on its node: {said}")


def carry_out(command: Sequence[str], token: bytes) -> str:
    """Be that actor, on whatever node this is called; what it said where it failed, else nothing.

    Its interpreter is the node's, and the token lies in a file of its own for as long as it runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder) / "token"
        write_text(secret, token.decode(), mode=0o600)
        own = [f"--token={secret}" if word.startswith("--token=") else word for word in command]
        return _run(["-m", "robot_rl.launching.process", str(os.getpid()), *own])


def _run(arguments: Sequence[str]) -> str:
    process = subprocess.Popen(
        [sys.executable, *arguments], stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        _, said = process.communicate()
    finally:  # a cancellation ends here, too
        process.terminate()
        code = process.wait()
    words = said.decode(errors="replace").strip().splitlines()
    return (words[-1] if words else f"exit code {code}") if code else ""

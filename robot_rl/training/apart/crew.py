"""Actors as processes of this machine, each started anew when it is lost."""

import logging
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robot_rl.errors import EnvWorkerError

log = logging.getLogger(__name__)

_GRACE_S = 3.0  # one that was left by a killed learner comes back by itself
_LEAVE_S = 20.0
_ATTEMPTS = 3


@dataclass
class _Post:
    """One actor's place. `failed` counts starts in a row that never reached the learner."""

    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    missed_s: float = 0.0  # since when it is not connected
    failed: int = 0


class LocalCrew:
    """Starts `commands[i]` wherever actor i is neither connected nor on its way.

    One that was killed is started anew. One that left in order, or by an error of its own after it
    had begun, is not: what it needs is a hand.
    """

    ours = True

    def __init__(self, commands: Sequence[Sequence[str]], logs: Sequence[Path]) -> None:
        pairs = zip(commands, logs, strict=True)
        now_s = time.monotonic()
        self._posts = [_Post(command, path, missed_s=now_s) for command, path in pairs]

    def keep_up(self, connected: set[int]) -> bool:
        """Raises `EnvWorkerError` with the last words of an actor that ended by an error."""
        for actor, post in enumerate(self._posts):
            if actor in connected:
                post.missed_s, post.failed = time.monotonic(), 0
            elif not _alive(post) and self._is_due(post):
                if post.process is not None and post.process.returncode == 0:
                    return True
                self._require_hope(actor, post)
                self._start(actor, post)
        return False

    def stop(self) -> None:
        running = [post.process for post in self._posts if post.process is not None]
        for process in running:
            process.terminate()
        until_s = time.monotonic() + _LEAVE_S
        for process in running:
            try:
                process.wait(max(0.1, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _is_due(self, post: _Post) -> bool:
        # One that ended under our eyes is missed at once.
        return post.process is not None or time.monotonic() - post.missed_s > _GRACE_S

    def _require_hope(self, actor: int, post: _Post) -> None:
        erred = post.process is not None and post.process.returncode > 0
        if erred and post.failed in (0, _ATTEMPTS):
            when = f"{_ATTEMPTS} times before it began" if post.failed else "by itself"
            raise EnvWorkerError(
                f"actor {actor} ended {when}: {_last_line(post.log)} All it said is in {post.log}."
            )

    def _start(self, actor: int, post: _Post) -> None:
        if post.process is not None:
            log.warning("actor %d is gone (%d); starting it anew", actor, post.process.returncode)
        post.failed += 1
        post.log.parent.mkdir(parents=True, exist_ok=True)
        with post.log.open("ab") as told:
            # In a session of its own: Ctrl-C is the learner's to hear, and so is its own death.
            post.process = subprocess.Popen(
                post.command, stdout=told, stderr=told, start_new_session=True
            )


def _alive(post: _Post) -> bool:
    return post.process is not None and post.process.poll() is None


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1] if lines else "it said nothing."

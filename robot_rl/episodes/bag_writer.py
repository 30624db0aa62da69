"""One rosbag2 folder (MCAP) per episode, written beside the control loop and never in its way."""

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

from robot_rl.episodes.bags import open_bag, require_rosbags, typestore
from robot_rl.errors import RobotRLError, RunDirectoryError

log = logging.getLogger(__name__)

_PARTIAL = ".partial"
_POLL_S = 0.05


class BagWriter:
    """Takes serialised messages from any thread; a thread of its own writes them.

    An episode is written under `.partial` and moved out once it is whole: what lies in `root`
    itself is complete. A full queue drops the message and counts it. After a write error the
    episode is given up, earlier ones are untouched, and `on_error` hears about it.
    """

    def __init__(
        self,
        root: Path,
        topics: Mapping[str, str],
        queue_size: int = 2000,
        on_error: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.root = root
        self.drops = 0
        self._topics = dict(topics)
        self._on_error = on_error
        self._queue: Queue[tuple[str, int, bytes]] = Queue(queue_size)
        self._closing = threading.Event()
        self._failed = ""
        self._thread: threading.Thread | None = None
        self._path: Path | None = None
        self._facts: dict[str, str] = {}
        require_rosbags()
        try:
            (root / _PARTIAL).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunDirectoryError(f"cannot record to {root}: {error.strerror}.") from error

    @property
    def recording(self) -> bool:
        return self._thread is not None

    def start(self, facts: Mapping[str, Any]) -> Path:
        """Open the next episode; `facts` are kept in its metadata as JSON."""
        if self.recording:
            raise RunDirectoryError(f"an episode is being recorded to {self._path} already.")
        self._path = self.root / time.strftime(
            f"episode_{_next_number(self.root):06d}_%Y%m%dT%H%M%S"
        )
        self._facts = {key: json.dumps(value) for key, value in facts.items()}
        self._failed = ""
        self.drops = 0
        self._closing.clear()
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()
        return self._path

    def write(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Queue one message; drop and count it where the disk cannot keep up."""
        if not self.recording or self._failed:
            return
        try:
            self._queue.put_nowait((topic, stamp_ns, data))
        except Full:
            self.drops += 1

    def finish(self, facts: Mapping[str, Any]) -> Path:
        """Write what is queued, close and rename. Raises `RobotRLError` after a write error."""
        if self._thread is None or self._path is None:
            raise RunDirectoryError("no episode is being recorded.")
        self._facts |= {key: json.dumps(value) for key, value in facts.items()}
        self._facts["drops"] = json.dumps(self.drops)
        self._closing.set()
        self._thread.join()
        self._thread = None
        if self._failed:
            raise RobotRLError(f"the episode was not recorded: {self._failed}")
        return self._path

    # ------------------------------------------------------------------ thread

    def _write_all(self) -> None:
        assert self._path is not None
        partial = self.root / _PARTIAL / self._path.name
        try:
            with open_bag(partial) as bag:
                connections = self._connect(bag)
                while not (self._closing.is_set() and self._queue.empty()):
                    self._write_next(bag, connections)
                for key, value in self._facts.items():
                    bag.set_custom_data(key, value)
            partial.rename(self._path)
        except OSError as error:
            self._give_up(partial, f"{error.strerror or error} ({partial})")

    def _connect(self, bag: Any) -> dict[str, Any]:
        store = typestore()
        return {
            topic: bag.add_connection(topic, kind, typestore=store)
            for topic, kind in self._topics.items()
        }

    def _write_next(self, bag: Any, connections: Mapping[str, Any]) -> None:
        try:
            topic, stamp_ns, data = self._queue.get(timeout=_POLL_S)
        except Empty:
            return
        bag.write(connections[topic], stamp_ns, data)

    def _give_up(self, partial: Path, error: str) -> None:
        self._failed = error
        log.error("recording stopped: %s", error)
        shutil.rmtree(partial, ignore_errors=True)
        while not self._queue.empty():
            self._queue.get_nowait()
        self._on_error(error)


def _next_number(root: Path) -> int:
    numbers = [int(path.name.split("_")[1]) for path in root.glob("episode_*_*")]
    return max(numbers, default=-1) + 1

"""A run directory: one place, one process, the configuration saved before anything runs."""

import itertools
import json
import os
import signal
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from robot_rl.errors import CorruptFileError, RunDirectoryError
from robot_rl.folders import locked
from robot_rl.types import INTERFACE_FILE, Interface

_RECORDED = ("robot-rl", "torch", "mujoco", "dm-control", "robosuite", "gymnasium", "numpy")
_ECHO_S = 0.2


class RunDirectory:
    """Paths inside `root`, and a lock that keeps a second process out.

    Raises `RunDirectoryError` where the directory cannot be written or is in use.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkpoints = root / "checkpoints"
        self.replay = root / "replay"
        self.videos = root / "videos"
        self.policy = root / "policy"
        self.config = root / "config.yaml"
        self.interface = root / INTERFACE_FILE
        self.metrics = root / "metrics.jsonl"
        self._lock: int | None = None

    def open(self) -> None:
        """Create the directory, prove that it can be written, and lock it."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
            self._lock = locked(self.root)
        except BlockingIOError as error:
            raise RunDirectoryError(
                f"run_dir {self.root} is in use by another process. Stop it, or choose another "
                "with run_dir=PATH."
            ) from error
        except OSError as error:
            raise RunDirectoryError(
                f"run_dir {self.root} cannot be written: {error.strerror}. Choose another with "
                "run_dir=PATH."
            ) from error

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def has_begun(self) -> bool:
        """Whether a step or a checkpoint is on disk. Before that nothing can be lost."""
        files = itertools.chain(self.replay.glob("*.rows"), self.checkpoints.glob("*/*"))
        return any(path.stat().st_size for path in files)

    def save_versions(self) -> None:
        versions = {name: _version(name) for name in _RECORDED}
        write_text(self.root / "versions.json", json.dumps(versions, indent=2) + "\n")

    def check_interface(self, interface: Interface) -> None:
        """Save it in a new run; in an old one raise `InterfaceMismatchError` where it differs."""
        if self.interface.exists():
            interface.require_equal(Interface.load(self.interface), f"the run in {self.root}")
        else:
            interface.save(self.interface)


class StopSignals:
    """SIGINT and SIGTERM ask for an orderly stop; a second one exits at once."""

    def __init__(self) -> None:
        self.requested = False
        self._first_s = 0.0
        self._previous: Mapping[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        self._previous = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        # A parent such as make may pass on the very signal that the process group got itself.
        if self.requested and now_s - self._first_s > _ECHO_S:
            os._exit(128 + number)
        if not self.requested:
            self.requested, self._first_s = True, now_s


def write_text(path: Path, text: str, mode: int = 0o666) -> None:
    """Replace `path` in one step, so that a reader never sees half of it. `mode`: who may."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def read_yaml(path: Path) -> dict[str, Any]:
    """Raises `CorruptFileError` when the file is not a mapping in YAML."""
    try:
        tree = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise CorruptFileError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(tree, dict):
        raise CorruptFileError(f"{path} is empty or holds no settings; it was cut short.")
    return tree


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

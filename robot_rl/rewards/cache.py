"""Scores that were paid for once: kept on disk by what was scored, through kill and resume."""

import hashlib
import io
import sqlite3
import threading
from pathlib import Path

import numpy as np

from robot_rl.errors import RunDirectoryError
from robot_rl.rewards.encoders.base import digest
from robot_rl.rewards.model import Clip, RewardModel, Scores


class ContentCache:
    """Bytes by the hash of what they answer, in one file; from any thread."""

    def __init__(self, path: Path) -> None:
        """Raises `RunDirectoryError` where it cannot be opened."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, check_same_thread=False)
            self._file.execute("pragma journal_mode=wal")
            self._file.execute("create table if not exists said (key blob primary key, value blob)")
        except (OSError, sqlite3.Error) as error:
            raise RunDirectoryError(
                f"{path} cannot keep labels ({error}). Move it away, or choose another folder."
            ) from error
        self._lock = threading.Lock()

    def get(self, key: bytes) -> bytes | None:
        with self._lock:
            row = self._file.execute("select value from said where key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def put(self, key: bytes, value: bytes) -> None:
        with self._lock, self._file:
            self._file.execute("insert or replace into said values (?, ?)", (key, value))

    def close(self) -> None:
        with self._lock:
            self._file.close()


def content_key(*parts: str | np.ndarray) -> bytes:
    """Of sentences, names and arrays, in their order."""
    key = hashlib.blake2b(digest_size=20)
    for part in parts:
        value = part.encode() if isinstance(part, str) else digest(part)
        key.update(len(value).to_bytes(4, "little") + value)
    return key.digest()


class CachedReward(RewardModel):
    """`model`, asked once for each clip and sentence."""

    def __init__(self, model: RewardModel, cache: ContentCache) -> None:
        self._model, self._cache = model, cache
        self.sees, self.reads = model.sees, model.reads  # type: ignore[misc]

    @property
    def identity(self) -> str:
        return self._model.identity

    def score(self, clip: Clip, task: str) -> Scores:
        named = [part for name in sorted(clip) for part in (name, clip[name])]
        key = content_key(self.identity, task, *named)
        known = self._cache.get(key)
        if known is not None:
            return _unpacked(known)
        scores = self._model.score(clip, task)
        self._cache.put(key, _packed(scores))
        return scores


def _packed(scores: Scores) -> bytes:
    file = io.BytesIO()
    np.save(file, np.stack(list(vars(scores).values())), allow_pickle=False)
    return file.getvalue()


def _unpacked(value: bytes) -> Scores:
    return Scores(*np.load(io.BytesIO(value), allow_pickle=False))

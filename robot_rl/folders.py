"""Folders that are written whole or not at all, and replaced so that one can always be read."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(final: Path, partial: Path | None = None) -> Iterator[Path]:
    """A folder to fill, which then becomes `final` in place of what was there.

    It is filled in `partial`, beside `final` where that is not given, and durable before it bears
    a name that counts. Whatever kills this process, `settled(final)` is a folder that is complete.
    """
    partial = partial or _beside(final, "partial")
    whole, old = _beside(final, "whole"), _beside(final, "old")
    if not final.exists() and whole.exists():
        whole.rename(final)  # a kill came between the two renames below
    for left in (partial, whole, old):
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for path in (*partial.iterdir(), partial):
            _sync(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if final.exists():
        partial.rename(whole)
        final.rename(old)
        whole.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.rename(final)
    _sync(final.parent)


def locked(folder: Path) -> int:
    """A handle that keeps other processes out until it is closed, or its process is gone.

    Raises `BlockingIOError` where another has it.
    """
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def settled(final: Path) -> Path:
    """Where a folder that `replacing` wrote can be read: `final`, but for a kill in its renames."""
    whole = _beside(final, "whole")
    return whole if whole.exists() and not final.exists() else final


def _beside(final: Path, word: str) -> Path:
    return final.with_name(f".{final.name}.{word}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

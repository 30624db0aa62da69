"""Checkpoints without pickle: safetensors and JSON, written whole or not at all."""

import json
import logging
import shutil
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from robot_rl.errors import CorruptFileError, OutOfSpaceError
from robot_rl.folders import replacing
from robot_rl.training.states import join_tensors, split_tensors

log = logging.getLogger(__name__)

_TENSORS, _STATE, _PARTIAL = "tensors.safetensors", "state.json", ".partial"
_KEPT = 2


def save_checkpoint(directory: Path, step: int, state: dict[str, Any]) -> Path:
    """Write `state` (nested dicts and lists of tensors and JSON values) as `step-<step>-save-<n>`.

    A run that learns offline saves many times at one step, so that its saves are counted: no save
    ever touches the one before it.
    """
    found = checkpoints(directory)
    final = directory / f"step-{step:012d}-save-{_serial(found[-1]) + 1 if found else 0:06d}"
    try:
        with replacing(final, partial=directory / _PARTIAL) as folder:
            _write(folder, state)
    except (OSError, SafetensorError) as error:
        raise OutOfSpaceError(
            f"cannot write a checkpoint to {directory}: {error}. Free some space and start the "
            "same command again; the last good checkpoint is kept."
        ) from error
    for old in checkpoints(directory)[:-_KEPT]:
        shutil.rmtree(old)
    return final


def _write(folder: Path, state: dict[str, Any]) -> None:
    tensors: dict[str, Tensor] = {}
    tree = split_tensors(state, tensors)
    save_file(tensors, folder / _TENSORS)
    body = json.dumps({"state": tree, "crc": _crc(folder / _TENSORS)})
    (folder / _STATE).write_text(json.dumps({"body": body, "crc": zlib.crc32(body.encode())}))


def load_newest(directory: Path) -> dict[str, Any] | None:
    """The newest readable checkpoint, None where there is none at all.

    A damaged one is passed over with a warning; `CorruptFileError` when all are damaged.
    """
    found = checkpoints(directory)
    for path in reversed(found):
        try:
            return load_checkpoint(path)
        except CorruptFileError as error:
            log.warning("%s; trying the one before", error)
    if found:
        raise CorruptFileError(f"no checkpoint in {directory} is readable; start a new run_dir.")
    return None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Raises `CorruptFileError` when a file is missing, truncated or fails its checksum."""
    try:
        outer = json.loads((path / _STATE).read_text())
        if zlib.crc32(outer["body"].encode()) != outer["crc"]:
            raise ValueError(f"{_STATE} fails its checksum")
        content = json.loads(outer["body"])
        if _crc(path / _TENSORS) != content["crc"]:
            raise ValueError(f"{_TENSORS} fails its checksum")
        tensors = load_file(path / _TENSORS)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CorruptFileError(f"checkpoint {path} is damaged: {error}") from error
    return join_tensors(content["state"], tensors)


def checkpoints(directory: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(directory.glob("step-*-save-*"), key=_serial)


def _serial(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def random_state() -> dict[str, Any]:
    """State of torch's generators."""
    state: dict[str, Any] = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _crc(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value

"""Stop at the first loss that is not finite, with the batch that caused it on disk."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from robot_rl.errors import NotFiniteError
from robot_rl.types import Batch


def require_finite(metrics: Mapping[str, Tensor], batch: Batch, directory: Path) -> None:
    """Raise `NotFiniteError` naming the losses; `bad_batch.safetensors` holds the batch."""
    total = torch.stack([value.float().cpu() for value in metrics.values()])
    if bool(torch.isfinite(total).all()):
        return
    names = [name for name, value in metrics.items() if not torch.isfinite(value).all()]
    path = directory / "bad_batch.safetensors"
    save_file(dict(_leaves(batch, "batch")), path)
    raise NotFiniteError(
        f"{', '.join(names)} became NaN or infinite. The batch is in {path}; the last good "
        "checkpoint is kept. Lower agent.lr, or look for NaN in the observations."
    )


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    """Every array of `node` by its path. Copies: safetensors refuses those that share memory."""
    if isinstance(node, Tensor):
        yield path, node.detach().to("cpu", copy=True).contiguous()
    elif isinstance(node, np.ndarray):
        yield path, torch.from_numpy(node.copy())
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{path}/{key}")
    elif is_dataclass(node):
        for field in fields(node):
            yield from _leaves(getattr(node, field.name), f"{path}/{field.name}")

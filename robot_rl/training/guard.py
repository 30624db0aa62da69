"""Stop at the first loss that is not finite, with the batch that caused it on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
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
    save_file(dict(_arrays(batch, "batch")), path)
    raise NotFiniteError(
        f"{', '.join(names)} became NaN or infinite. The batch is in {path}; the last good "
        "checkpoint is kept. Lower agent.lr, or look for NaN in the observations."
    )


def _arrays(node: Any, path: str) -> list[tuple[str, np.ndarray]]:
    if isinstance(node, np.ndarray):
        return [(path, np.ascontiguousarray(node))]
    children = node if isinstance(node, dict) else vars(node) if hasattr(node, "__dict__") else {}
    return [pair for key, value in children.items() for pair in _arrays(value, f"{path}/{key}")]

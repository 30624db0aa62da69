"""Observations of a segment, stacked as in `Batch.obs`."""

import torch
from torch import Tensor

from robot_rl.types import PROPRIO, Segment


def stacks_of(segment: Segment, first: int) -> dict[str, Tensor]:
    """All from observation `first` on, [B * (T + 1 - first), ...]."""
    length = segment.mask.shape[1]

    def from_first(key: str, x: Tensor) -> Tensor:
        if key == PROPRIO:
            return x[:, first:].flatten(0, 1)
        stack = x.shape[1] - length
        windows = x[:, first:].unfold(1, stack, 1)  # [B, T + 1 - first, 3, H, W, S]
        return windows.movedim(-1, 2).flatten(0, 1)

    return {key: from_first(key, x) for key, x in segment.obs.items()}


def last_obs(ahead: Segment) -> dict[str, Tensor]:
    """The observation after the last step that is there, stacked as in `Batch.obs`."""
    batch, length = ahead.mask.shape
    which = torch.arange(batch, device=ahead.mask.device)
    steps = ahead.mask.sum(dim=1).long()

    def at_end(key: str, x: Tensor) -> Tensor:
        if key == PROPRIO:
            return x[which, steps]
        stack = torch.arange(x.shape[1] - length, device=x.device)
        return x[which[:, None], steps[:, None] + stack]

    return {key: at_end(key, x) for key, x in ahead.obs.items()}

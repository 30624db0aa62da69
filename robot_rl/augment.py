"""Random shift on uint8 frames (DrQ-v2, section 3.1) in whole pixels."""

from collections.abc import Mapping

import torch
from torch import Tensor

from robot_rl.types import PROPRIO


def draw_shift(batch: int, pad: int, device: torch.device) -> Tensor:
    """[B, 2] whole pixels (rows, columns) in [-pad, pad]."""
    return torch.randint(-pad, pad + 1, (batch, 2), device=device)


def shift(frames: Tensor, offset: Tensor) -> Tensor:
    """Crop [B, ..., H, W] at `offset` [B, 2] from its edge-replicated self, one offset a sample."""
    batch, height, width = len(frames), frames.shape[-2], frames.shape[-1]
    rows = (torch.arange(height, device=frames.device) + offset[:, :1]).clamp(0, height - 1)
    cols = (torch.arange(width, device=frames.device) + offset[:, 1:]).clamp(0, width - 1)
    index = (rows[:, :, None] * width + cols[:, None, :]).view(batch, 1, height * width)
    planes = frames.reshape(batch, -1, height * width)
    return planes.gather(2, index.expand_as(planes)).view(frames.shape)


def random_shift(obs: Mapping[str, Tensor], pad: int) -> dict[str, Tensor]:
    """Every camera of every sample shifted independently; the frames of a stack move together."""
    return {
        key: x if key == PROPRIO or pad == 0 else shift(x, draw_shift(len(x), pad, x.device))
        for key, x in obs.items()
    }

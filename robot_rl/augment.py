"""Augmentation of uint8 frames: the random shift of DrQ-v2 in whole pixels, and strong ones."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

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


# ----------------------------------------------------------------------------- strong


def random_colour(frames: Tensor) -> Tensor:
    """Every channel of every sample [B, S, 3, H, W] brighter or darker by up to a half, and all of
    it by up to a quarter of the scale.
    """
    batch, device = len(frames), frames.device
    gain = 0.5 + torch.rand(batch, 1, 3, 1, 1, device=device)
    offset = 128.0 * (torch.rand(batch, 1, 1, 1, 1, device=device) - 0.5)
    return _to_uint8(frames * gain + offset)


def random_conv(frames: Tensor) -> Tensor:
    """Every sample through a 3x3 convolution of its own (Lee et al. 2020, arXiv:1910.05396)."""
    batch, channels = len(frames), frames.shape[2]
    kernels = torch.randn(batch * channels, channels, 3, 3, device=frames.device)
    centred = frames.movedim(0, 1).flatten(1, 2) / 127.5 - 1.0  # [S, B * 3, H, W]
    padded = F.pad(centred, (1, 1, 1, 1), mode="replicate")
    mixed = torch.sigmoid(F.conv2d(padded, kernels, groups=batch))
    return _to_uint8(255.0 * mixed.unflatten(1, (batch, channels)).movedim(0, 1))


def random_mix(frames: Tensor) -> Tensor:
    """Half of every sample is another of the batch."""
    return ((frames.to(torch.int16) + frames.roll(1, dims=0)) // 2).to(torch.uint8)


def random_turn(frames: Tensor) -> Tensor:
    """The whole batch a quarter, half or three quarters round; half where it is not square."""
    square = frames.shape[-1] == frames.shape[-2]
    quarters = int(torch.randint(1, 4, ())) if square else 2
    return frames.rot90(quarters, dims=(-2, -1))


STRONG: Mapping[str, Callable[[Tensor], Tensor]] = {
    "colour": random_colour,
    "conv": random_conv,
    "mix": random_mix,
    "turn": random_turn,
}


def strongly(obs: Mapping[str, Tensor], kinds: Sequence[str]) -> dict[str, Any]:
    """`obs` with the images of every camera changed in one way of `kinds`, drawn for the batch."""
    change = STRONG[kinds[int(torch.randint(len(kinds), ()))]]
    return {key: x if key == PROPRIO else change(x) for key, x in obs.items()}


def _to_uint8(frames: Tensor) -> Tensor:
    return frames.round_().clamp_(0, 255).to(torch.uint8)

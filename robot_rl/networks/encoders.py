"""Image encoders. Frames stay uint8 until the first convolution."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.networks.layers import Bottleneck
from robot_rl.networks.pretrained import PretrainedStack
from robot_rl.types import PROPRIO, Interface

PRETRAINED = "efficientnet"

Shape = tuple[tuple[int, int, int], ...]  # (channels, kernel, stride) of each convolution

CONV_SHAPES: dict[str, Shape] = {
    "paper": ((32, 3, 2), (32, 3, 1), (32, 3, 1), (32, 3, 1)),
    "compact": ((32, 8, 4), (32, 4, 2), (32, 3, 1)),
    # A finer map than compact (11x11 of 64x64) where success hangs on angles of a few degrees.
    "fine": ((32, 8, 4), (32, 3, 1), (32, 3, 1)),
    "tdmpc2": ((32, 7, 2), (32, 5, 2), (32, 3, 2), (32, 3, 1)),
    "dreamer": ((32, 4, 2), (64, 4, 2), (128, 4, 2), (256, 4, 2)),
}
# Their last convolution has no ReLU: what follows norms it.
_LINEAR_AT_THE_END = ("tdmpc2",)
# What compact is for frames whose smaller side has fewer pixels than this: 5x5 of 32x32, of 16x16.
_COMPACT_BELOW: dict[int, Shape] = {
    24: ((32, 4, 2), (32, 3, 1)),
    48: ((32, 6, 4), (32, 3, 1)),
}

_CONSTANT = 1e-6


class Features(NamedTuple):
    """What the heads read: `image` [B, D] of all cameras, `proprio` [B, P] (P may be 0)."""

    image: Tensor
    proprio: Tensor

    def detach(self) -> "Features":
        return Features(self.image.detach(), self.proprio)


class PixelConv(nn.Conv2d):
    """Convolution of x / 255 - 1/2 for uint8 x, with the scaling folded into the weights.

    Whole numbers up to 255 are exact in bfloat16, so one cast is all that the frames need.
    """

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight / 255.0
        assert self.bias is not None
        bias = self.bias - 0.5 * self.weight.sum(dim=(1, 2, 3))
        pixels = input.to(_compute_dtype(input.device, weight.dtype))
        return F.conv2d(pixels, weight, bias, self.stride)


class ProprioScale(nn.Module):
    """(x - `mean`) / `std`, fixed once from data: centimetres beside half a metre are else lost."""

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def fit(self, rows: np.ndarray) -> None:
        """From `rows` [N, P]; what never changes is left as it is."""
        std = torch.from_numpy(rows.std(axis=0))
        self.mean.copy_(torch.from_numpy(rows.mean(axis=0)))
        self.std.copy_(torch.where(std > _CONSTANT, std, torch.ones_like(std)))

    def forward(self, x: Tensor) -> Tensor:
        return (x.float() - self.mean) / self.std


class Encoder(nn.Module):
    """One convolution stack per camera: `image/<camera>` uint8 [B, S, 3, H, W] -> `Features`."""

    def __init__(self, interface: Interface, frame_stack: int, shape: str) -> None:
        super().__init__()
        if shape not in (*CONV_SHAPES, PRETRAINED):
            raise UnknownNameError("encoder", shape, (*CONV_SHAPES, PRETRAINED))
        self.keys = tuple(camera.key for camera in interface.cameras)
        self.convs = nn.ModuleList(
            PretrainedStack(frame_stack, camera.height, camera.width)
            if shape == PRETRAINED
            else conv_stack(
                3 * frame_stack,
                conv_shape(shape, camera.height, camera.width),
                shape in _LINEAR_AT_THE_END,
            )
            for camera in interface.cameras
        )
        self.proprio_dim = interface.proprio_size
        self.scale = ProprioScale(self.proprio_dim)
        with torch.no_grad():
            sizes = [
                _flat_size(conv, 3 * frame_stack, camera.height, camera.width, camera.name)
                for conv, camera in zip(self.convs, interface.cameras, strict=True)
            ]
        self.image_dim = sum(sizes)

    def load_pretrained(self) -> None:
        """Weights from elsewhere, where this encoder has such a part."""
        for conv in self.convs:
            if isinstance(conv, PretrainedStack):
                conv.front.load_pretrained()

    def forward(self, obs: Mapping[str, Tensor]) -> Features:
        parts = [
            conv(obs[key].flatten(1, 2)).flatten(1)
            for key, conv in zip(self.keys, self.convs, strict=True)
        ]
        if not parts:
            nothing = obs[PROPRIO].new_zeros(obs[PROPRIO].shape[0], 0)  # len() would fix the batch
            return Features(nothing, self.scale(obs[PROPRIO]))
        image = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if not self.proprio_dim:
            return Features(image, image.new_zeros(image.shape[0], 0).float())
        return Features(image, self.scale(obs[PROPRIO]))


class Trunk(nn.Module):
    """`Features` -> [B, out_dim]: a bottleneck on the image and one on proprio, side by side.

    Without cameras proprio goes in as it is: a state needs no compression.
    """

    def __init__(self, encoder: Encoder, feature_dim: int) -> None:
        super().__init__()
        sees, feels = encoder.image_dim > 0, encoder.proprio_dim > 0
        self.image = Bottleneck(encoder.image_dim, feature_dim) if sees else None
        self.proprio = Bottleneck(encoder.proprio_dim, feature_dim) if sees and feels else None
        self.out_dim = feature_dim * (1 + feels) if sees else encoder.proprio_dim

    def forward(self, features: Features) -> Tensor:
        if self.image is None:
            return features.proprio
        image = self.image(features.image)
        if self.proprio is None:
            return image.float()
        return torch.cat((image.float(), self.proprio(features.proprio).float()), dim=1)


def conv_shape(name: str, height: int, width: int) -> Shape:
    """The convolutions that `name` has for frames of this size."""
    if name == "compact":
        for pixels, shape in _COMPACT_BELOW.items():
            if min(height, width) < pixels:
                return shape
    return CONV_SHAPES[name]


def conv_stack(in_channels: int, shape: Shape, linear_at_the_end: bool = False) -> nn.Sequential:
    """Convolutions with ReLU, the first of them straight from uint8."""
    layers: list[nn.Module] = []
    for channels, kernel, stride in shape:
        conv = nn.Conv2d if layers else PixelConv
        layers += [conv(in_channels, channels, kernel, stride), nn.ReLU(inplace=True)]
        in_channels = channels
    if linear_at_the_end:
        del layers[-1]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _flat_size(conv: nn.Module, channels: int, height: int, width: int, camera: str) -> int:
    try:
        return conv(torch.zeros(1, channels, height, width, dtype=torch.uint8)).numel()
    except RuntimeError as error:
        raise ConfigError(
            f"camera '{camera}': {height}x{width} pixels are too few for this encoder."
        ) from error


def _compute_dtype(device: torch.device, default: torch.dtype) -> torch.dtype:
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return default

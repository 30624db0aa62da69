"""From features back to pictures."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from robot_rl.errors import ConfigError
from robot_rl.types import PROPRIO, Interface

_SMALLEST = 4  # a picture begins as so many pixels squared


class Decoder(nn.Module):
    """Feature [B, F] -> every camera's frame [B, 3, H, W], in units of the whole range less 1/2,
    and proprio [B, P].

    Sides are `_SMALLEST` times a power of two. Raises `ConfigError` for others.
    """

    def __init__(self, feature_dim: int, interface: Interface, depth: int) -> None:
        super().__init__()
        self.keys = tuple(camera.key for camera in interface.cameras)
        self.frames = nn.ModuleList(
            _deconvolutions(feature_dim, _doublings(c.height, c.width, c.name), depth)
            for c in interface.cameras
        )
        size = interface.proprio_size
        self.proprio = nn.Linear(feature_dim, size) if size else None

    def forward(self, feature: Tensor) -> dict[str, Tensor]:
        seen = {key: net(feature) for key, net in zip(self.keys, self.frames, strict=True)}
        return seen if self.proprio is None else {**seen, PROPRIO: self.proprio(feature)}

    def loss(self, feature: Tensor, obs: Mapping[str, Tensor], scale: nn.Module) -> Tensor:
        """-log N(obs | decoded, 1) less its constant [B], summed over all that is seen.

        `obs`: `image/<camera>` uint8 [B, 3, H, W], `proprio` [B, P] as `scale` sees it.
        """
        total = feature.new_zeros(len(feature))
        for key, decoded in self(feature).items():
            wanted = scale(obs[key]) if key == PROPRIO else pixels(obs[key])
            total = total + 0.5 * (decoded - wanted).square().flatten(1).sum(dim=1)
        return total


def pixels(frames: Tensor) -> Tensor:
    """uint8 frames as the decoder draws them."""
    return frames.float() / 255.0 - 0.5


def as_frames(drawn: Tensor) -> np.ndarray:
    """What the decoder draws [T, 3, H, W] as uint8 frames [T, H, W, 3]."""
    bright = (255.0 * (drawn + 0.5)).round().clamp(0.0, 255.0).byte()
    return bright.permute(0, 2, 3, 1).cpu().numpy()


def _doublings(height: int, width: int, camera: str) -> int:
    times = (height // _SMALLEST).bit_length() - 1
    if height != width or height != _SMALLEST << times:
        raise ConfigError(
            f"camera '{camera}': {height}x{width} pixels cannot be drawn; task.image_size is 8, "
            "16, 32, 64 or 128 where a model draws what it sees."
        )
    return times


def _deconvolutions(feature_dim: int, doublings: int, depth: int) -> nn.Sequential:
    width = depth << max(0, doublings - 1)
    layers: list[nn.Module] = [
        nn.Linear(feature_dim, width * _SMALLEST**2),
        nn.Unflatten(1, (width, _SMALLEST, _SMALLEST)),
    ]
    for i in range(doublings):
        out = 3 if i == doublings - 1 else width // 2
        layers += [nn.ReLU(inplace=True), nn.ConvTranspose2d(width, out, 4, 2, 1)]
        width = out
    return nn.Sequential(*layers)

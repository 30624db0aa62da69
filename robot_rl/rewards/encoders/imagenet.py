"""EfficientNet-Lite0 with ImageNet weights, pooled or as its map."""

import numpy as np
import torch

from robot_rl.errors import ConfigError
from robot_rl.networks.pretrained import EfficientNetLite
from robot_rl.rewards.encoders.base import FrameEncoder, resized

# The published size is 224; half of it takes a sixth of the time and leaves a map of 4x4.
_SIZE = 112


class ImageNetEncoder(FrameEncoder):
    """1280 features: their mean over the picture, or each where it was seen."""

    def __init__(self, name: str, size: str, pool: bool) -> None:
        if size and not (size.isdigit() and int(size) >= 32):
            raise ConfigError(f"{name}:{size} is no size; {name}:224 sees 224x224, at least 32.")
        self._name, self._size, self._pool = name, int(size or _SIZE), pool
        self._network = EfficientNetLite()
        self._network.load_pretrained()

    @property
    def identity(self) -> str:
        return f"{self._name}:{self._size}"

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        planar = torch.from_numpy(resized(frames, self._size)).permute(0, 3, 1, 2)
        features = self._network(planar)
        features = features.mean(dim=(2, 3)) if self._pool else features.flatten(1)
        return features.numpy()


def pooled(size: str) -> ImageNetEncoder:
    """Frozen ImageNet features, averaged over the picture: knows what is there, not where."""
    return ImageNetEncoder("effnet_lite0", size, pool=True)


def mapped(size: str) -> ImageNetEncoder:
    """Frozen ImageNet features, each at its place."""
    return ImageNetEncoder("effnet_lite0_map", size, pool=False)

"""Frames in the memory of the learner's device, where they fit: sampling then moves no pixels."""

import numpy as np
import torch
from torch import Tensor

from robot_rl.types import CameraField, Interface

# The rest is for networks, activations and the allocator.
_SHARE_OF_FREE_MEMORY = 0.5


class DeviceFrames:
    """`HostFrames` as a tensor on `device`."""

    def __init__(self, rows: int, camera: CameraField, device: torch.device) -> None:
        shape = (rows, 3, camera.height, camera.width)
        self._frames = torch.zeros(shape, dtype=torch.uint8, device=device)

    def put(self, row: int, frame: np.ndarray) -> None:
        self._frames[row] = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)

    def take(self, rows: np.ndarray) -> Tensor:
        return self._frames[torch.from_numpy(rows).to(self._frames.device)]


def frames_fit(interface: Interface, rows: int, device: torch.device) -> bool:
    """Whether half of the device's free memory holds the frames of `rows`."""
    if device.type != "cuda":
        return False
    needed = rows * sum(3 * camera.height * camera.width for camera in interface.cameras)
    return needed < _SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]

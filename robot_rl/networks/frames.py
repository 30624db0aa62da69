"""Frames as an encoder reads them: stacked from a policy's memory, or one by one."""

import torch
from torch import Tensor

from robot_rl.networks.policy import Carry, Obs
from robot_rl.types import PROPRIO, Interface


class FrameMemory:
    """The S - 1 frames before the newest, as `frames/<camera>` uint8 [B, S - 1, 3, H, W]."""

    def __init__(self, interface: Interface, frame_stack: int) -> None:
        self._cameras = interface.cameras
        self._before = frame_stack - 1

    def initial(self, n: int, device: torch.device) -> Carry:
        if not self._before:
            return {}
        return {
            _frames(camera.key): torch.zeros(
                (n, self._before, 3, camera.height, camera.width), dtype=torch.uint8, device=device
            )
            for camera in self._cameras
        }

    def stack(self, obs: Obs, first: Tensor, carry: Carry) -> tuple[Obs, Carry]:
        """`image/<camera>` uint8 [B, S, 3, H, W], oldest first, and the memory for the next step.

        Where `first` [B], the newest frame fills it.
        """
        stacked, kept = single_frames(obs), {}
        if not self._before:
            return stacked, kept
        for camera in self._cameras:
            newest, name = stacked[camera.key], _frames(camera.key)
            before = torch.where(first.view(-1, 1, 1, 1, 1), newest, carry[name])
            stacked[camera.key] = torch.cat((before, newest), dim=1)
            kept[name] = stacked[camera.key][:, 1:]
        return stacked, kept


def single_frames(obs: Obs) -> Obs:
    """What an encoder of single frames reads: `image/<camera>` uint8 [B, 1, 3, H, W]."""
    return {
        key: x if key == PROPRIO else x.permute(0, 3, 1, 2).unsqueeze(1) for key, x in obs.items()
    }


def _frames(camera_key: str) -> str:
    return f"frames/{camera_key.removeprefix('image/')}"

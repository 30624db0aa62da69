"""The encoder of a policy that was trained here."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from robot_rl.deploy.artefact import WEIGHTS, PolicyFolder
from robot_rl.errors import ConfigError
from robot_rl.rewards.encoders.base import FrameEncoder, resized


class OwnEncoder(FrameEncoder):
    """What the policy in `folder` (a run, or a policy folder) makes of its first camera."""

    def __init__(self, folder: str) -> None:
        root = Path(folder)
        source = PolicyFolder(root / "policy" if (root / "policy").is_dir() else root)
        policy = source.load()
        encoder = getattr(policy, "encoder", None)
        if encoder is None or not getattr(encoder, "keys", ()):
            raise ConfigError(
                f"the policy in {folder} has no encoder of frames to lend. Take one that sees: "
                "of agent=drqv2, sac, rlpd, bc and their kin."
            )
        self._conv, camera = encoder.convs[0], policy.interface.cameras[0]
        if camera.height != camera.width:
            raise ConfigError(
                f"the policy in {folder} sees {camera.height}x{camera.width} pixels, and only "
                "square pictures are encoded. Lend the encoder of another."
            )
        self._size, self._stack = camera.height, policy.config.network.frame_stack
        weights = (source.place / WEIGHTS).read_bytes()
        self._identity = f"run:{hashlib.blake2b(weights, digest_size=8).hexdigest()}"

    @property
    def identity(self) -> str:
        return self._identity

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        planar = torch.from_numpy(resized(frames, self._size)).permute(0, 3, 1, 2)
        # A stack of one frame: nothing moves.
        return self._conv(planar.repeat(1, self._stack, 1, 1)).flatten(1).float().numpy()

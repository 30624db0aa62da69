"""sim_clip: an image-text model that was trained on a simulator's own captions.

Not CLIP: it knows the arms, the things and the words of the tasks that it was trained on, and no
others. Synonyms it has from the sentence encoder, which stays as it is.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.networks.encoders import conv_stack
from robot_rl.rewards import stored
from robot_rl.rewards.encoders.base import ImageTextEncoder, resized
from robot_rl.rewards.encoders.sentences import SentenceEncoder

KIND = "sim_clip"
MADE_BY = "robot-rl rewards train sim_clip --out FOLDER"
_CONVS = ((32, 4, 2), (32, 4, 2), (64, 3, 1), (64, 3, 1))
_HIDDEN, _DROPOUT = 256, 0.3
_SCALE = 2.6  # of the logits at the start, as a logarithm


class SimClip(nn.Module):
    """Two towers into one space: pictures through convolutions, sentences through a matrix beside
    the frozen sentence encoder (Radford et al. 2021, on a small scale)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.convs = conv_stack(3, _CONVS)
        with torch.no_grad():
            features = self.convs(torch.zeros(1, 3, size, size, dtype=torch.uint8)).numel()
        self.head = nn.Sequential(
            nn.Linear(features, _HIDDEN),
            nn.LayerNorm(_HIDDEN),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_HIDDEN, SentenceEncoder.dim),
        )
        self.text = nn.Linear(SentenceEncoder.dim, SentenceEncoder.dim)
        self.log_scale = nn.Parameter(torch.tensor(_SCALE))

    def image(self, frames: Tensor) -> Tensor:
        """uint8 [B, 3, H, W] -> unit [B, 384]."""
        return F.normalize(self.head(self.convs(frames).flatten(1).float()))

    def sentence(self, encoded: Tensor) -> Tensor:
        """[N, 384] of the sentence encoder -> unit [N, 384]."""
        return F.normalize(encoded + self.text(encoded))


class SimClipEncoder(ImageTextEncoder):
    """`temperature` is the one that its cosines were learned with."""

    def __init__(self, model: SimClip, identity: str) -> None:
        self._model, self._identity = model.eval(), identity
        self._sentences = SentenceEncoder()

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def temperature(self) -> float:
        return math.exp(-self._model.log_scale.item())

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        planar = torch.from_numpy(resized(frames, self._model.size)).permute(0, 3, 1, 2)
        return self._model.image(planar).numpy()

    @torch.inference_mode()
    def encode_text(self, sentences: Sequence[str]) -> np.ndarray:
        return self._model.sentence(torch.from_numpy(self._sentences(sentences))).numpy()


def save(model: SimClip, folder: Path, report: Mapping[str, Any]) -> None:
    stored.save(folder, KIND, {"size": model.size, "report": dict(report)}, model)


def load(folder: str) -> SimClipEncoder:
    """Raises `CorruptFileError` where `folder` holds none."""
    card, weights, identity = stored.load(Path(folder), KIND, MADE_BY)
    model = SimClip(int(card["size"]))
    model.load_state_dict(weights)
    return SimClipEncoder(model, identity)

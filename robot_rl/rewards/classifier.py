"""A success classifier over the cameras' frames, and its folder: no pickle in it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from robot_rl.errors import CorruptFileError, InterfaceMismatchError
from robot_rl.networks.encoders import Encoder
from robot_rl.networks.frames import single_frames
from robot_rl.networks.policy import to_tensors
from robot_rl.networks.stacked import NetworkConfig, make_encoder
from robot_rl.types import Interface, Observation

_WEIGHTS, _CARD = "classifier.safetensors", "classifier.json"
_HIDDEN, _DROPOUT = 256, 0.1


class SuccessClassifier(nn.Module):
    """One frame of every camera -> logit [B]. Proprio is left out: it tells the arm, not the task.

    `threshold` is the probability from which on it says success.
    """

    def __init__(self, encoder: Encoder, interface: Interface) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.Linear(encoder.image_dim, _HIDDEN),
            nn.LayerNorm(_HIDDEN),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_HIDDEN, 1),
        )
        self.interface = interface
        self.threshold = 0.5

    def forward(self, obs: Mapping[str, Tensor]) -> Tensor:
        return self.head(self.encoder(obs).image.float()).squeeze(-1)

    @torch.inference_mode()
    def probability(self, obs: Sequence[Observation]) -> Tensor:
        """[N] of success, in evaluation mode."""
        self.eval()
        seen = [{camera.key: o[camera.key] for camera in self.interface.cameras} for o in obs]
        return torch.sigmoid(self(single_frames(to_tensors(seen, torch.device("cpu")))))

    def require_fit(self, interface: Interface, where: str) -> None:
        """Raise `InterfaceMismatchError` where `interface` has other cameras or another task."""
        if interface.cameras != self.interface.cameras:
            here, there = (
                ", ".join(f"{c.name} {c.width}x{c.height}" for c in cameras) or "no camera"
                for cameras in (interface.cameras, self.interface.cameras)
            )
            raise InterfaceMismatchError(
                f"the classifier in {where} looks through {there}; the task has {here}."
            )
        if interface.task != self.interface.task:
            raise InterfaceMismatchError(
                f"the classifier in {where} knows success at {self.interface.task}, not at "
                f"{interface.task}. Train one for it with `robot-rl classifier`."
            )


def make_classifier(interface: Interface, encoder: str) -> SuccessClassifier:
    """Fresh weights, over the cameras of `interface` alone.

    Raises `InterfaceMismatchError` where it has none.
    """
    if not interface.cameras:
        raise InterfaceMismatchError(
            f"the episodes of {interface.task} show no camera, and success is to be seen in "
            "frames. Record them with cameras: task.state=false."
        )
    seen = dataclasses.replace(interface, proprio=())
    config = NetworkConfig(encoder=encoder, frame_stack=1)
    classifier = SuccessClassifier(make_encoder(config, seen), seen)
    classifier.encoder.load_pretrained()
    return classifier


def save(
    classifier: SuccessClassifier, encoder: str, folder: Path, report: Mapping[str, Any]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().cpu().contiguous() for k, v in classifier.state_dict().items()}
    save_file(weights, folder / _WEIGHTS)
    card = {
        "encoder": encoder,
        "threshold": classifier.threshold,
        "report": dict(report),
        "interface": dataclasses.asdict(classifier.interface),
    }
    (folder / _CARD).write_text(json.dumps(card, indent=2) + "\n")


def load(folder: Path) -> SuccessClassifier:
    """Raises `CorruptFileError` where the folder holds no classifier or a damaged one."""
    try:
        card = json.loads((folder / _CARD).read_text())
        interface = Interface.from_dict(card["interface"])
        encoder = Encoder(interface, 1, card["encoder"])
        classifier = SuccessClassifier(encoder, interface)
        classifier.load_state_dict(load_file(folder / _WEIGHTS))
        classifier.threshold = float(card["threshold"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise CorruptFileError(
            f"{folder} holds no usable success classifier ({error}). Train one with "
            "`robot-rl classifier`."
        ) from error
    return classifier.eval()

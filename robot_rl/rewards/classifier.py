"""A success classifier over the cameras' frames, its folder, and the reward that it is."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.errors import CorruptFileError, InterfaceMismatchError
from robot_rl.networks.encoders import Encoder
from robot_rl.networks.frames import single_frames
from robot_rl.networks.policy import to_tensors
from robot_rl.networks.stacked import NetworkConfig, make_encoder
from robot_rl.rewards import stored
from robot_rl.rewards.model import Clip, RewardModel, Scores
from robot_rl.types import Interface, Observation

KIND, _MADE_BY = "success classifier", "robot-rl classifier"
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
    card = {
        "encoder": encoder,
        "threshold": classifier.threshold,
        "report": dict(report),
        "interface": dataclasses.asdict(classifier.interface),
    }
    stored.save(folder, KIND, card, classifier)


def load(folder: Path) -> SuccessClassifier:
    """Raises `CorruptFileError` where the folder holds no classifier or a damaged one."""
    return _loaded(folder)[0]


def _loaded(folder: Path) -> tuple[SuccessClassifier, str]:
    card, weights, identity = stored.load(folder, KIND, _MADE_BY)
    try:
        interface = Interface.from_dict(card["interface"])
        classifier = SuccessClassifier(Encoder(interface, 1, card["encoder"]), interface)
        classifier.load_state_dict(weights)
        classifier.threshold = float(card["threshold"])
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CorruptFileError(f"{folder} holds no usable {KIND} ({error}).") from error
    return classifier.eval(), identity


class ClassifierReward(RewardModel):
    """A success classifier of `robot-rl classifier`, in `folder`.

    Its own threshold, chosen on held-out episodes, is a success of one half.
    """

    def __init__(self, interface: Interface, folder: str) -> None:
        self._classifier, self._identity = _loaded(Path(folder))
        self._classifier.require_fit(interface, folder)

    @property
    def identity(self) -> str:
        return self._identity

    def score(self, clip: Clip, task: str) -> Scores:
        keys = [camera.key for camera in self._classifier.interface.cameras]
        length = len(clip[keys[0]])
        obs = [{key: clip[key][t] for key in keys} for t in range(length)]
        probability = self._classifier.probability(obs).numpy()
        return Scores.of_progress(centred(probability, self._classifier.threshold))


def centred(probability: np.ndarray, threshold: float) -> np.ndarray:
    """A monotone map of [0, 1] onto itself that takes `threshold` to one half."""
    below = 0.5 * probability / max(threshold, 1e-9)
    above = 0.5 + 0.5 * (probability - threshold) / max(1.0 - threshold, 1e-9)
    return np.where(probability < threshold, below, above)

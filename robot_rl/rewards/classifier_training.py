"""Training the success classifier on labelled episodes; the threshold is chosen for few false
alarms: a false success ends an episode and pays for nothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from robot_rl.augment import random_shift
from robot_rl.episodes.folder import StoredEpisode
from robot_rl.errors import ConfigError
from robot_rl.rewards.classifier import SuccessClassifier, make_classifier
from robot_rl.types import IMAGE_PREFIX, Interface, Observation

_MARGIN = 0.05


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """Half of every batch is positive. A fifth of the episodes chooses the threshold, another
    fifth, never looked at before, gives precision and recall."""

    encoder: str = "compact"
    updates: int = 300
    batch_size: int = 64
    lr: float = 3e-4
    shift_pad: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Report:
    """On held-out episodes."""

    positives: int
    negatives: int
    precision: float
    recall: float
    threshold: float
    train_s: float


@dataclass(frozen=True)
class _Labelled:
    """`positive[i]` is whether frame i shows success."""

    obs: list[Observation]
    positive: np.ndarray


def train_classifier(
    episodes: Sequence[StoredEpisode], interface: Interface, config: ClassifierConfig
) -> tuple[SuccessClassifier, Report]:
    """A step with a reward shows success in its next observation; all others do not.

    Raises `ConfigError` where a part of the episodes has no success or nothing else.
    """
    began_s = time.monotonic()
    if all(not step.reward for episode in episodes for step in episode.steps[:-1]):
        raise ConfigError(
            "no episode goes on after success, so none was labelled. Record them with: robot-rl "
            "collect --label"
        )
    torch.manual_seed(config.seed)
    order = np.random.default_rng(config.seed).permutation(len(episodes))
    fifth = max(1, len(episodes) // 5)
    choose, test, train = (
        _labelled([episodes[i] for i in part], name)
        for name, part in (
            ("threshold", order[:fifth]),
            ("test", order[fifth : 2 * fifth]),
            ("training", order[2 * fifth :]),
        )
    )
    classifier = make_classifier(interface, config.encoder)
    _fit(classifier, train, config)
    classifier.threshold = _threshold(classifier.probability(choose.obs), choose.positive)
    precision, recall = _quality(classifier, test)
    positives = int(test.positive.sum())
    report = Report(
        positives,
        len(test.obs) - positives,
        precision,
        recall,
        classifier.threshold,
        time.monotonic() - began_s,
    )
    return classifier, report


def _fit(classifier: SuccessClassifier, data: _Labelled, config: ClassifierConfig) -> None:
    learned = [p for p in classifier.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=config.lr)
    frames = _planar(data.obs)
    kinds = [np.flatnonzero(data.positive == positive) for positive in (True, False)]
    rng, half = np.random.default_rng(config.seed), config.batch_size // 2
    label = torch.cat((torch.ones(half), torch.zeros(half)))
    classifier.train()
    for _ in range(config.updates):
        rows = torch.from_numpy(np.concatenate([rng.choice(kind, half) for kind in kinds]))
        batch = random_shift({key: x[rows] for key, x in frames.items()}, config.shift_pad)
        loss = F.binary_cross_entropy_with_logits(classifier(batch), label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def _threshold(probability: Tensor, positive: np.ndarray) -> float:
    """A little above the most convincing negative, but never above half of the positives."""
    of_negatives = probability[torch.from_numpy(~positive)].max()
    of_positives = probability[torch.from_numpy(positive)].median()
    return float(min(max(of_negatives + _MARGIN, torch.tensor(0.5)), of_positives))


def _quality(classifier: SuccessClassifier, data: _Labelled) -> tuple[float, float]:
    """(precision, recall)."""
    said = (classifier.probability(data.obs) >= classifier.threshold).numpy()
    right = int((said & data.positive).sum())
    return right / max(1, int(said.sum())), right / int(data.positive.sum())


def _labelled(episodes: Sequence[StoredEpisode], part: str) -> _Labelled:
    obs = [frame for episode in episodes for frame in episode.obs[1:]]
    positive = np.array([step.reward > 0 for episode in episodes for step in episode.steps])
    if not positive.any() or positive.all():
        kind = "success" if not positive.any() else "anything else"
        raise ConfigError(
            f"the {part} episodes ({len(episodes)}) show no {kind}. Record more of both: "
            "robot-rl collect --label, and press the success key while success is to be seen."
        )
    return _Labelled(obs, positive)


def _planar(obs: Sequence[Observation]) -> dict[str, Tensor]:
    """uint8 [N, 1, 3, H, W] by camera."""
    keys = [key for key in obs[0] if key.startswith(IMAGE_PREFIX)]
    return {
        key: torch.from_numpy(np.stack([o[key].transpose(2, 0, 1)[None] for o in obs]))
        for key in keys
    }

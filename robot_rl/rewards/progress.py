"""Progress from what was seen so far and a sentence, learned from successes alone (ReWiND, Zhang et
al. 2025, arXiv:2505.10911)."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import ConfigError
from robot_rl.rewards import stored
from robot_rl.rewards.encoders.base import FrameEncoder
from robot_rl.rewards.encoders.registry import make_encoder
from robot_rl.rewards.encoders.sentences import SentenceEncoder
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.types import Interface

KIND = "progress model"
MADE_BY = "robot-rl rewards train progress --episodes FOLDER --out FOLDER"
_DONE = 0.9  # progress from which on the task counts as done: success is one half there


@dataclass(frozen=True, kw_only=True)
class ProgressConfig:
    """`frames` of the past are looked at; the paper's transformer has 4 layers of 512."""

    encoder: str = "effnet_lite0_map:64"
    frames: int = 16
    layers: int = 2
    width: int = 128
    heads: int = 4
    rewind: float = 0.8  # chance that a video ends rewound
    strange: float = 0.2  # chance that its sentence is of another task, and progress 0
    updates: int = 800
    batch_size: int = 64
    lr: float = 3e-4
    seed: int = 0


class ProgressNet(nn.Module):
    """Features [B, T, D] and a sentence [B, 384] -> progress [B, T], causal over T.

    Only the first picture is told its place: what comes after has to be seen to have moved.
    """

    def __init__(self, features: int, config: ProgressConfig) -> None:
        super().__init__()
        self.picture = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, config.width))
        self.sentence = nn.Linear(SentenceEncoder.dim, config.width)
        self.first = nn.Parameter(torch.zeros(config.width))
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, 4 * config.width, 0.1, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, 1))

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        pictures = self.picture(features)
        pictures = torch.cat((pictures[:, :1] + self.first, pictures[:, 1:]), 1)
        x = torch.cat((self.sentence(sentence)[:, None], pictures), 1)
        ahead = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return torch.sigmoid(self.head(self.layers(x, ahead, is_causal=True))[:, 1:, 0])


class Progress(RewardModel):
    """What a progress model in `folder` says of the episode so far."""

    sees, reads = "past", True

    def __init__(self, interface: Interface, folder: str, camera: str = "") -> None:
        self._key = camera_key(interface, camera)
        card, weights, self._identity = stored.load(Path(folder), KIND, MADE_BY)
        config = ProgressConfig(**card["config"])
        self._frames = config.frames
        self._encoder: FrameEncoder = make_encoder(config.encoder)
        self._encode = self._encoder.remembered
        self._net = ProgressNet(int(card["features"]), config)
        self._net.load_state_dict(weights)
        self._net.eval()
        self._sentences = SentenceEncoder()
        self._known: dict[str, Tensor] = {}

    @property
    def identity(self) -> str:
        return f"{self._identity}/{self._key}/{self._encoder.identity}"

    def score(self, clip: Clip, task: str) -> Scores:
        return self._scored(clip, task, range(len(frames_of(clip, self._key))))

    def score_last(self, clip: Clip, task: str) -> Scores:
        return self._scored(clip, task, [len(frames_of(clip, self._key)) - 1])

    @torch.inference_mode()
    def _scored(self, clip: Clip, task: str, times: Sequence[int]) -> Scores:
        features = torch.from_numpy(self._encode(frames_of(clip, self._key)))
        seen = torch.stack([features[past(t, self._frames)] for t in times])
        progress = self._net(seen, self._sentence(task).expand(len(seen), -1))[:, -1].numpy()
        success = np.clip(0.5 + (progress - _DONE) / (2.0 * (1.0 - _DONE)), 0.0, 1.0)
        return Scores(progress, progress, success.astype(np.float32))

    def _sentence(self, task: str) -> Tensor:
        if task not in self._known:
            self._known[task] = torch.from_numpy(self._sentences([task]))
        return self._known[task]


def past(now: int, frames: int) -> np.ndarray:
    """[frames] places from 0 to `now`, as evenly as can be, the last one `now`."""
    return np.round(np.linspace(0.0, now, frames)).astype(int)


# ---------------------------------------------------------------------------- training


def train_progress(
    shown: Mapping[str, Sequence[np.ndarray]], config: ProgressConfig
) -> tuple[ProgressNet, float]:
    """From successes by the sentence of their task, frames uint8 [T, H, W, 3]; and the last loss.

    Raises `ConfigError` where nothing is shown.
    """
    if not any(shown.values()):
        raise ConfigError("no success was shown to learn progress from.")
    torch.manual_seed(config.seed)
    encode = make_encoder(config.encoder).remembered
    sentences = torch.from_numpy(SentenceEncoder()(list(shown)))
    videos = [
        (place, torch.from_numpy(encode(frames)))
        for place, episodes in enumerate(shown.values())
        for frames in episodes
    ]
    net = ProgressNet(videos[0][1].shape[1], config)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.lr)
    rng, loss = np.random.default_rng(config.seed), torch.zeros(())
    net.train()
    for _ in range(config.updates):
        drawn = [_drawn(videos, len(sentences), config, rng) for _ in range(config.batch_size)]
        features, told, wanted = (torch.stack(x) for x in zip(*drawn, strict=True))
        loss = F.mse_loss(net(features, sentences[told]), wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return net.eval(), float(loss.detach())


def _drawn(
    videos: Sequence[tuple[int, Tensor]],
    sentences: int,
    config: ProgressConfig,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Features [frames, D], a sentence's place, and the progress [frames] that is right."""
    place, features = videos[int(rng.integers(len(videos)))]
    seen, progress = rewound(len(features), config, rng)
    if sentences > 1 and rng.random() < config.strange:
        place = int((place + rng.integers(1, sentences)) % sentences)
        progress = np.zeros_like(progress)
    return features[seen], torch.tensor(place), torch.from_numpy(progress)


def rewound(
    length: int, config: ProgressConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Places [frames] of a video's pictures up to some time, perhaps with the last ones once more
    backwards; and the progress of each, its place in the whole."""
    end = int(rng.integers(length // 3, length))
    order = np.arange(end + 1)
    if rng.random() < config.rewind:
        back = int(rng.integers(1, end + 1)) if end else 0
        order = np.concatenate((order, order[::-1][1 : back + 1]))
    seen = order[past(len(order) - 1, config.frames)]
    return seen, (seen / (length - 1)).astype(np.float32)


def save(net: ProgressNet, config: ProgressConfig, folder: Path, loss: float) -> None:
    features = net.picture[0].normalized_shape[0]  # type: ignore[index]
    card = {"config": dataclasses.asdict(config), "features": features, "loss": loss}
    stored.save(folder, KIND, card, net)

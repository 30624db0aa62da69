"""How many steps are left, read from one picture (self-improving models, Ghasemipour et al. 2025,
arXiv:2509.15155, with a small network)."""

import dataclasses
from collections.abc import Sequence
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
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.types import Interface

KIND = "steps-to-go model"
MADE_BY = "robot-rl rewards train steps_to_go --episodes FOLDER --out FOLDER"


@dataclass(frozen=True, kw_only=True)
class StepsToGoConfig:
    """Up to `most` steps are told apart; `done` or fewer left count as success."""

    encoder: str = "effnet_lite0_map:64"
    most: int = 60
    done: int = 1
    width: int = 128
    updates: int = 600
    batch_size: int = 128
    lr: float = 3e-4
    seed: int = 0


class StepsToGoNet(nn.Module):
    """Features [B, D] -> logits [B, most + 1] of so many steps left."""

    def __init__(self, features: int, config: StepsToGoConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(features),
            nn.Linear(features, config.width),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(config.width, config.most + 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class StepsToGo(RewardModel):
    """Pays the fall of the steps that are left, -E[n], over `most`; progress is 1 - E[n] / most.

    With `task.reward_model.shaping=true` the fall itself is paid, as published.
    """

    def __init__(self, interface: Interface, folder: str, camera: str = "") -> None:
        self._key = camera_key(interface, camera)
        card, weights, self._identity = stored.load(Path(folder), KIND, MADE_BY)
        self._config = StepsToGoConfig(**card["config"])
        self._encoder: FrameEncoder = make_encoder(self._config.encoder)
        self._net = StepsToGoNet(int(card["features"]), self._config)
        self._net.load_state_dict(weights)
        self._net.eval()

    @property
    def identity(self) -> str:
        return f"{self._identity}/{self._key}/{self._encoder.identity}"

    @torch.inference_mode()
    def score(self, clip: Clip, task: str) -> Scores:
        features = torch.from_numpy(self._encoder.remembered(frames_of(clip, self._key)))
        chances = torch.softmax(self._net(features), 1).numpy()
        left = chances @ np.arange(self._config.most + 1) / self._config.most
        success = chances[:, : self._config.done + 1].sum(1)
        return Scores(
            (-left).astype(np.float32),
            (1.0 - left).astype(np.float32),
            success.astype(np.float32),
        )


def train(successes: Sequence[np.ndarray], config: StepsToGoConfig) -> tuple[StepsToGoNet, float]:
    """From frames uint8 [T, H, W, 3] up to success; and the mean error in steps on them.

    Raises `ConfigError` where nothing is shown.
    """
    if not successes:
        raise ConfigError("no success was shown to count steps in.")
    torch.manual_seed(config.seed)
    encode = make_encoder(config.encoder).remembered
    features = torch.from_numpy(np.concatenate([encode(frames) for frames in successes]))
    left = np.concatenate([np.arange(len(frames))[::-1] for frames in successes])
    wanted = torch.from_numpy(np.minimum(left, config.most).astype(np.int64))
    net = StepsToGoNet(features.shape[1], config)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=1e-2)
    rng = np.random.default_rng(config.seed)
    for _ in range(config.updates):
        rows = torch.from_numpy(rng.integers(len(wanted), size=config.batch_size))
        loss = F.cross_entropy(net(features[rows]), wanted[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    net.eval()
    with torch.inference_mode():
        steps = torch.softmax(net(features), 1) @ torch.arange(config.most + 1.0)
    return net, float((steps - wanted).abs().mean())


def save(net: StepsToGoNet, config: StepsToGoConfig, folder: Path, error: float) -> None:
    features = net.layers[0].normalized_shape[0]  # type: ignore[union-attr, index]
    card = {"config": dataclasses.asdict(config), "features": features, "error_steps": error}
    stored.save(folder, KIND, card, net)

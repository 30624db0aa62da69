"""A reward that explains choices between clips (Christiano et al. 2017; RL-VLM-F, Wang et al. 2024,
arXiv:2402.03681)."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.augment import random_shift
from robot_rl.errors import ConfigError
from robot_rl.networks.encoders import conv_stack
from robot_rl.rewards import stored
from robot_rl.rewards.encoders.base import resized
from robot_rl.rewards.model import Clip, RewardModel, Scores, camera_key, frames_of
from robot_rl.rewards.teachers import Choice, Question
from robot_rl.types import Interface

KIND = "preference reward"
MADE_BY = "robot-rl rewards train preferences --episodes FOLDER --out FOLDER"
# As published, kernels of 5 and 3, on smaller pictures; below 48 pixels one convolution less.
_CONVS = ((16, 5, 2), (32, 3, 2), (64, 3, 2), (64, 3, 1))
_LEAST = 24
_SMALL, _CONVS_SMALL = 48, ((16, 5, 2), (32, 3, 2), (64, 3, 1))
_HIDDEN = 128
# With so many of the choices explained more updates would only drive tanh to its ends.
_ENOUGH, _LOOKS_EVERY = 0.97, 10


@dataclass(frozen=True, kw_only=True)
class PreferenceConfig:
    """Three members, as published; Adam at 3e-4. Pictures are looked at in `size`, at least 24."""

    members: int = 3
    size: int = 64
    updates: int = 200
    batch_size: int = 32
    lr: float = 3e-4
    shift_pad: int = 2

    @classmethod
    def of(cls, height: int, updates: int) -> "PreferenceConfig":
        """For pictures of this height."""
        return cls(size=max(height, _LEAST), updates=updates)


class PreferenceNet(nn.Module):
    """uint8 [B, 3, H, W] -> [members, B] in [-1, 1]."""

    def __init__(self, config: PreferenceConfig) -> None:
        super().__init__()
        self.members = nn.ModuleList(_member(config.size) for _ in range(config.members))

    def forward(self, frames: Tensor) -> Tensor:
        return torch.stack([torch.tanh(m(frames).squeeze(-1).float()) for m in self.members])


class PreferenceReward(RewardModel):
    """The mean of the ensemble that learned from choices, kept in `folder`.

    Progress is it from the least to the most that the pictures it learned from were worth.
    """

    def __init__(self, interface: Interface, folder: str = "", camera: str = "") -> None:
        if not folder:
            raise ConfigError(
                "reward=preferences needs task.reward_model.settings.folder of `robot-rl rewards "
                "train preferences`, or somebody who is asked while it learns: "
                "task.reward_model.teaching.teacher=truth, vlm or person."
            )
        self._key = camera_key(interface, camera)
        card, weights, self._identity = stored.load(Path(folder), KIND, MADE_BY)
        self._net, self._config = blank(card)
        self._net.load_state_dict(weights)
        self._low, self._high = card["low"], card["high"]

    @property
    def identity(self) -> str:
        return f"{self._identity}/{self._key}"

    def score(self, clip: Clip, task: str) -> Scores:
        worth = worth_of(self._net, frames_of(clip, self._key), self._config)
        progress = (worth - self._low) / max(self._high - self._low, 1e-6)
        return dataclasses.replace(Scores.of_progress(progress), per_step=worth)


def blank(card: dict[str, object]) -> tuple[PreferenceNet, PreferenceConfig]:
    """As a folder's card describes it, with fresh weights."""
    config = PreferenceConfig(**card["config"])  # type: ignore[arg-type]
    return PreferenceNet(config).eval(), config


@torch.inference_mode()
def worth_of(net: PreferenceNet, frames: np.ndarray, config: PreferenceConfig) -> np.ndarray:
    """float32 [T]: what the members say in the mean."""
    net.eval()
    return torch.cat([net(part).mean(0) for part in planar(frames, config).split(256)]).numpy()


def planar(frames: np.ndarray, config: PreferenceConfig) -> Tensor:
    """uint8 [..., 3, size, size] of frames [..., H, W, 3]."""
    flat = resized(frames.reshape(-1, *frames.shape[-3:]), config.size)
    shape = (*frames.shape[:-3], 3, config.size, config.size)
    return torch.from_numpy(np.ascontiguousarray(flat.transpose(0, 3, 1, 2))).view(shape)


class Choices:
    """Questions that somebody answered; those where nothing could be said are left out."""

    def __init__(self, config: PreferenceConfig) -> None:
        self._config = config
        self._pairs: list[Tensor] = []
        self._chosen: list[float] = []

    def __len__(self) -> int:
        return len(self._chosen)

    def add(self, questions: Sequence[Question], choices: Sequence[Choice]) -> int:
        """How many of them say something."""
        before = len(self)
        for question, choice in zip(questions, choices, strict=True):
            if choice is not None:
                pair = np.stack((question.first, question.second))
                self._pairs.append(planar(pair, self._config))
                self._chosen.append(choice)
        return len(self) - before

    @property
    def tell_anything(self) -> bool:
        """Whether one clip was ever better than the other."""
        return any(choice != 0.5 for choice in self._chosen)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Clips uint8 [N, 2, T, 3, H, W] and the chance [N] that the first is the better one."""
        return torch.stack(self._pairs), torch.tensor(self._chosen)


def fit(
    net: PreferenceNet, choices: Choices, config: PreferenceConfig, rng: np.random.Generator
) -> float:
    """Learn from all choices, each member from pairs of its own; the share that is then explained.

    Raises `ConfigError` where no clip was ever better than another.
    """
    if not choices.tell_anything:
        raise ConfigError(
            f"all {len(choices)} choices are equal: no clip was better than another, and there is "
            "nothing to learn. Ask about clips that differ: longer ones, or of episodes in which "
            "something happens."
        )
    clips, wanted = choices.tensors()
    optimiser = torch.optim.Adam(net.parameters(), lr=config.lr)
    net.train()
    for update in range(config.updates):
        if update % _LOOKS_EVERY == 0 and agreement(net, clips, wanted) >= _ENOUGH:
            break
        rows = torch.from_numpy(rng.integers(len(wanted), size=(config.members, config.batch_size)))
        loss = torch.stack(
            [_loss(net, i, clips[rows[i]], wanted[rows[i]], config) for i in range(config.members)]
        ).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    explained = agreement(net, clips, wanted)
    net.eval()
    return explained


def _loss(
    net: PreferenceNet, member: int, clips: Tensor, wanted: Tensor, config: PreferenceConfig
) -> Tensor:
    """Cross-entropy of the choices under Bradley and Terry's model, of one member."""
    flat = clips.flatten(0, 2)
    shifted = random_shift({"image/": flat.unsqueeze(1)}, config.shift_pad)["image/"].squeeze(1)
    worth = torch.tanh(net.members[member](shifted).squeeze(-1).float())
    return bradley_terry(worth.view(clips.shape[:3]).sum(2), wanted)


def bradley_terry(returns: Tensor, wanted: Tensor) -> Tensor:
    """-E[y log P(1 over 2) + (1 - y) log P(2 over 1)], P the softmax of `returns` [N, 2]."""
    return F.binary_cross_entropy_with_logits(returns[:, 0] - returns[:, 1], wanted)


@torch.inference_mode()
def agreement(net: PreferenceNet, clips: Tensor, wanted: Tensor) -> float:
    """The share of decided choices that the mean of the members makes, too."""
    decided = wanted != 0.5
    net.eval()
    said = torch.cat([net(part.flatten(0, 2)).mean(0) for part in clips.split(64)])
    net.train()
    returns = said.view(clips.shape[:3]).sum(2)
    right = (returns[:, 0] > returns[:, 1]).float() == wanted
    return float(right[decided].float().mean())


def save(
    net: PreferenceNet, config: PreferenceConfig, folder: Path, worth: np.ndarray, choices: int
) -> None:
    """`worth` is that of the pictures it learned from."""
    low, high = (float(x) for x in np.quantile(worth, (0.02, 0.98)))
    card = {"config": dataclasses.asdict(config), "low": low, "high": high, "choices": choices}
    stored.save(folder, KIND, card, net)


def _member(size: int) -> nn.Sequential:
    convs = conv_stack(3, _CONVS_SMALL if size < _SMALL else _CONVS)
    with torch.no_grad():
        features = convs(torch.zeros(1, 3, size, size, dtype=torch.uint8)).numel()
    return nn.Sequential(
        convs, nn.Flatten(), nn.Linear(features, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1)
    )

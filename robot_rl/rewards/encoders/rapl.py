"""Features that compare episodes as somebody does: a projection that preferences between triplets
align (RAPL, Tian et al. 2024, arXiv:2310.07932)."""

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
from robot_rl.rewards.transport import sinkhorn

KIND = "rapl encoder"
MADE_BY = "robot-rl rewards train rapl --episodes FOLDER --out FOLDER"


@dataclass(frozen=True, kw_only=True)
class RaplConfig:
    """`moments` of each episode are compared, `triplets` are asked about."""

    encoder: str = "effnet_lite0_map"
    dim: int = 64
    moments: int = 12
    triplets: int = 300
    updates: int = 400
    batch_size: int = 16
    lr: float = 3e-4
    seed: int = 0


@dataclass(frozen=True)
class Triplet:
    """Episodes by number: is `first` more like `anchor` than `second`?"""

    anchor: int
    first: int
    second: int
    first_is_nearer: bool


class Alignment(nn.Module):
    """Frozen features [..., D] -> unit [..., dim]."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.project = nn.Linear(features, dim)

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(self.project(self.norm(features)), dim=-1)


class RaplEncoder(FrameEncoder):
    """`rapl:FOLDER`: the aligned features of each picture."""

    def __init__(self, folder: str) -> None:
        card, weights, self._identity = stored.load(Path(folder), KIND, MADE_BY)
        self._base: FrameEncoder = make_encoder(card["encoder"])
        self._align = Alignment(*weights["project.weight"].shape[::-1])
        self._align.load_state_dict(weights)
        self._align.eval()

    @property
    def identity(self) -> str:
        return self._identity

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        return self._align(torch.from_numpy(self._base.remembered(frames))).numpy()


def train(
    episodes: Sequence[np.ndarray], triplets: Sequence[Triplet], config: RaplConfig
) -> tuple[Alignment, float]:
    """From frames uint8 [T, H, W, 3] of each; and the share of the triplets that it then answers.

    P(first is nearer) = exp(-d1) / (exp(-d1) + exp(-d2)), d the cost of the transport to the
    anchor (equations 4 and 5). Raises `ConfigError` without triplets.
    """
    if not triplets:
        raise ConfigError("nobody compared three episodes, and nothing can be aligned.")
    torch.manual_seed(config.seed)
    encode = make_encoder(config.encoder).remembered
    places = [np.linspace(0, len(e) - 1, config.moments).round().astype(int) for e in episodes]
    features = torch.stack(
        [torch.from_numpy(encode(e[p])) for e, p in zip(episodes, places, strict=True)]
    )
    align = Alignment(features.shape[-1], config.dim)
    optimiser = torch.optim.AdamW(align.parameters(), lr=config.lr)
    rng = np.random.default_rng(config.seed)
    for _ in range(config.updates):
        drawn = [triplets[i] for i in rng.integers(len(triplets), size=config.batch_size)]
        logits, wanted = _compared(align, features, drawn)
        loss = F.binary_cross_entropy_with_logits(logits, wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        logits, wanted = _compared(align, features, triplets)
    return align.eval(), float(((logits > 0).float() == wanted).float().mean())


def _compared(
    align: Alignment, features: Tensor, triplets: Sequence[Triplet]
) -> tuple[Tensor, Tensor]:
    """d(anchor, second) - d(anchor, first) of each triplet, and whether that should be positive."""
    sides = []
    for name in ("second", "first"):
        anchor = align(features[[t.anchor for t in triplets]])
        other = align(features[[getattr(t, name) for t in triplets]])
        sides.append(
            torch.stack([transport_cost(a, o) for a, o in zip(anchor, other, strict=True)])
        )
    return sides[0] - sides[1], torch.tensor([float(t.first_is_nearer) for t in triplets])


def transport_cost(a: Tensor, b: Tensor) -> Tensor:
    """Of the entropic plan between [T, D] and [T', D], in cosine distance summed over time.

    The gradient flows through the costs alone: the plan is optimal, so its own change is nothing
    (the envelope theorem).
    """
    cost = 1.0 - a @ b.T
    plan = torch.from_numpy(sinkhorn(cost.detach().numpy())).to(cost.dtype)
    return len(a) * (cost * plan).sum()


def triplets_by_truth(
    successes: Sequence[bool], returns: Sequence[float], n: int, seed: int
) -> list[Triplet]:
    """Of a success and two others, where the simulator says which one did better.

    Success first, then what was paid in all.
    """
    rng, found = np.random.default_rng(seed), []
    good = np.flatnonzero(successes)
    for _ in range(20 * n):
        first, second = rng.choice(len(successes), 2, replace=False)
        worth = [(successes[i], returns[i]) for i in (first, second)]
        anchor = int(rng.choice(good))
        if worth[0] != worth[1] and anchor not in (first, second):
            found.append(Triplet(anchor, int(first), int(second), worth[0] > worth[1]))
        if len(found) == n:
            break
    return found


def save(align: Alignment, config: RaplConfig, folder: Path, explained: float) -> None:
    stored.save(folder, KIND, {"encoder": config.encoder, "explained": explained}, align)

"""What a critic says of a return: a number, or a distribution over bins."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ValueConfig:
    """`mse` fits a number by its square error.

    The others fit `bins` even bins between `low` and `high` by cross-entropy: `two_hot` lays a
    return on the two bins beside it, `hl_gauss` spreads it like a Gaussian of `sigma` bins
    (Farebrother et al. 2024, arXiv:2403.03950). Returns outside count as the border. With the scale
    `symlog` the bins are even in symlog(return), and `low`, `high` are its borders (DreamerV3).
    """

    fit: Literal["mse", "two_hot", "hl_gauss"] = "mse"
    bins: int = 101
    low: float = -20.0
    high: float = 20.0
    sigma: float = 0.75
    scale: Literal["linear", "symlog"] = "linear"

    def __post_init__(self) -> None:
        if self.bins < 2 or self.low >= self.high or self.sigma <= 0:
            raise ConfigError(
                f"agent.value has {self.bins} bins from {self.low} to {self.high}, sigma "
                f"{self.sigma}; it needs bins >= 2, low < high, sigma > 0."
            )

    def idle(self) -> dict[str, str]:
        """As `AgentConfig.idle`."""
        numbers = ("bins", "low", "high", "scale") if self.fit == "mse" else ()
        off = {f"agent.value.{key}=": "agent.value.fit=two_hot" for key in numbers}
        spread = (
            {} if self.fit == "hl_gauss" else {"agent.value.sigma=": "agent.value.fit=hl_gauss"}
        )
        return {**off, **spread}


# Of TD-MPC2: returns of any size, the small ones finely.
SYMLOG_BINS = ValueConfig(fit="two_hot", bins=101, low=-10.0, high=10.0, scale="symlog")


class Number(nn.Module):
    """The return itself. `size` is the width of the critic's last layer, `first_gain` the gain of
    its first weights.
    """

    size = 1
    first_gain = 1.0

    def mean(self, out: Tensor) -> Tensor:
        """The expected return [...] of `out` [..., size]."""
        return out.squeeze(-1)

    def loss(self, out: Tensor, y: Tensor) -> Tensor:
        """Of each [...], against returns `y` that broadcast to them."""
        return (self.mean(out) - y).square()


class Bins(nn.Module):
    """Logits of a distribution over `centers`, at first an even one: random logits would already
    say that returns differ.
    """

    centers: Tensor
    first_gain = 0.0

    def __init__(self, config: ValueConfig) -> None:
        super().__init__()
        self.config, self.size = config, config.bins
        centers = torch.linspace(config.low, config.high, config.bins)
        self.register_buffer("centers", centers, persistent=False)

    def mean(self, out: Tensor) -> Tensor:
        """The expected return [...]; with `symlog` its expectation there, as in TD-MPC2."""
        mean = out.softmax(dim=-1) @ self.centers
        return symexp(mean) if self.config.scale == "symlog" else mean

    def loss(self, out: Tensor, y: Tensor) -> Tensor:
        return -(self.target(y) * F.log_softmax(out, dim=-1)).sum(dim=-1)

    def target(self, y: Tensor) -> Tensor:
        """Probabilities [..., bins] of the returns `y` [...]."""
        scaled = self._scaled(y).clamp(self.config.low, self.config.high)
        place = (scaled - self.config.low) / self.width
        offset = torch.arange(self.size, device=y.device) - place.unsqueeze(-1)
        if self.config.fit == "two_hot":
            return (1.0 - offset.abs()).clamp(min=0.0)
        edges = torch.cat((offset - 0.5, offset[..., -1:] + 0.5), dim=-1) / self.config.sigma
        mass = torch.special.ndtr(edges).diff(dim=-1)
        return mass / mass.sum(dim=-1, keepdim=True)

    def outside(self, y: Tensor) -> Tensor:
        """Share of the returns that no bin can express."""
        scaled = self._scaled(y)
        return ((scaled < self.config.low) | (scaled > self.config.high)).float().mean()

    @property
    def width(self) -> float:
        """Of a bin."""
        return (self.config.high - self.config.low) / (self.size - 1)

    def _scaled(self, y: Tensor) -> Tensor:
        return symlog(y) if self.config.scale == "symlog" else y


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|) (Hafner et al. 2023, arXiv:2301.04104)."""
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """The inverse of `symlog`."""
    return x.sign() * x.abs().expm1()


def make_value(config: ValueConfig) -> Number | Bins:
    return Number() if config.fit == "mse" else Bins(config)

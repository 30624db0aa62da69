"""Initialisation and small layers."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def orthogonal_init(module: nn.Module) -> None:
    """Orthogonal weights and zero biases, ReLU gain for convolutions (DrQ-v2). For `.apply`."""
    if isinstance(module, nn.Linear):
        nn.init.orthogonal_(module.weight)
    elif isinstance(module, nn.Conv2d):
        # Through a plain copy: orthogonal_ cannot write into channels-last weights.
        drawn = nn.init.orthogonal_(
            torch.empty(module.weight.shape), nn.init.calculate_gain("relu")
        )
        module.weight.data.copy_(drawn)
    elif isinstance(module, nn.LayerNorm | nn.Embedding):
        module.reset_parameters()
    elif hasattr(module, "reset_weights"):
        module.reset_weights()  # type: ignore[operator]
    if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


def fresh_copy(module: nn.Module) -> nn.Module:
    """A copy of `module` with newly drawn weights."""
    return copy.deepcopy(module).apply(orthogonal_init)


def hidden_layer(in_dim: int, out_dim: int, layer_norm: bool) -> nn.Sequential:
    """Linear and ReLU, with LayerNorm between them when asked."""
    norm = [nn.LayerNorm(out_dim)] if layer_norm else []
    return nn.Sequential(nn.Linear(in_dim, out_dim), *norm, nn.ReLU(inplace=True))


def mlp(in_dim: int, hidden_dim: int, out_dim: int, layer_norm: bool) -> nn.Sequential:
    """Two hidden layers and a linear output."""
    return nn.Sequential(
        hidden_layer(in_dim, hidden_dim, layer_norm),
        hidden_layer(hidden_dim, hidden_dim, layer_norm),
        nn.Linear(hidden_dim, out_dim),
    )


def full_precision(x: Tensor) -> torch.autocast:
    """Leave autocast: a bfloat16 Q of 100 is only known to 0.5, too coarse for its gradient."""
    return torch.autocast(x.device.type, enabled=False)


class Bottleneck(nn.Sequential):
    """Linear, LayerNorm, Tanh: [B, in] -> [B, out] (the trunk of DrQ-v2)."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(nn.Linear(in_dim, out_dim), nn.LayerNorm(out_dim), nn.Tanh())


@torch.no_grad()
def polyak_(target: nn.Module, source: nn.Module, tau: float) -> None:
    """target <- (1 - tau) target + tau source."""
    into: list[Tensor] = list(target.parameters())
    torch._foreach_lerp_(into, list(source.parameters()), tau)  # pyright: ignore


def squashed_noise(mu: Tensor, noise: Tensor) -> Tensor:
    """`mu` and `noise` [B, A] inside (-1, 1), with the gradient of `mu` (DrQ-v2)."""
    x = mu + noise
    return x + (x.clamp(-1 + 1e-6, 1 - 1e-6) - x).detach()


def gaussian_log_prob(pre_tanh: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log pi(tanh(pre_tanh)) [B] of a squashed Gaussian (SAC, appendix C)."""
    z = (pre_tanh - mean) / log_std.exp()
    normal = -0.5 * z.square() - log_std - 0.5 * math.log(2 * math.pi)
    # log(1 - tanh(x)^2) in the form that does not overflow.
    squash = 2.0 * (math.log(2.0) - pre_tanh - F.softplus(-2.0 * pre_tanh))
    return (normal - squash).sum(dim=-1)

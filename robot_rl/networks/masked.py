"""A masked autoencoder over several views (He et al. 2022, arXiv:2111.06377; MV-MWM, Seo et al.
2023, arXiv:2302.02408): a whole view is hidden, and most of the rest; what is left must draw it.
"""

# Shapes: N moments, V views, L tokens of a view, K tokens that are seen, D width

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.networks.decoder import pixels
from robot_rl.networks.encoders import Features, ProprioScale
from robot_rl.types import PROPRIO, Interface


@dataclass(frozen=True, kw_only=True)
class MaskedConfig:
    """Patches of `patch` pixels squared. Of each moment `hidden_views` are hidden whole, where
    there are more, and `mask_ratio` of the tokens of the others. `control` names the cameras that
    the policy sees; all of them where it is empty.
    """

    patch: int = 16
    dim: int = 256
    depth: int = 8
    decoder_depth: int = 6
    heads: int = 4
    reader_dim: int = 128
    reader_depth: int = 2
    mask_ratio: float = 0.75
    hidden_views: int = 1
    control: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.patch < 2 or self.patch & (self.patch - 1):
            raise ConfigError(f"agent.masked.patch is {self.patch}; it is a power of two.")
        if self.dim % self.heads or self.reader_dim % self.heads:
            raise ConfigError(
                f"agent.masked.heads={self.heads} must divide dim={self.dim} and "
                f"reader_dim={self.reader_dim}."
            )
        if not 0.0 <= self.mask_ratio < 1.0:
            raise ConfigError(f"agent.masked.mask_ratio is {self.mask_ratio}; it lies in [0, 1).")


class Block(nn.Module):
    """Attention and a hidden layer of four times the width, each normed first and added."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.norm_in, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm_in(x)).unflatten(-1, (3, self._heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # [N, heads, L, D / heads]
        seen = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm_mlp(x))


def blocks(depth: int, dim: int, heads: int) -> nn.Sequential:
    return nn.Sequential(*(Block(dim, heads) for _ in range(depth)), nn.LayerNorm(dim))


def visible(config: MaskedConfig, n: int, views: int, tokens: int) -> Tensor:
    """Which tokens of V * L each of `n` moments shows, [n, K] in ascending order."""
    shown = views - min(config.hidden_views, views - 1)
    kept = max(1, round((1.0 - config.mask_ratio) * shown * tokens))
    chance = torch.rand(n, views, tokens)
    hidden = torch.rand(n, views).argsort(dim=1) >= shown
    chance = chance.masked_fill(hidden.unsqueeze(-1), 2.0).flatten(1)
    return chance.argsort(dim=1)[:, :kept].sort(dim=1).values


class MaskedAutoencoder(nn.Module):
    """Frames of V views, all of one size, as tokens [N, V * L, D]; and, from a few, the rest."""

    def __init__(self, config: MaskedConfig, interface: Interface) -> None:
        super().__init__()
        self.config = config
        self.keys = tuple(camera.key for camera in interface.cameras)
        self.tokens = _tokens_of_a_view(config, interface)
        dim, places = config.dim, len(self.keys) * self.tokens
        self.stem = _stem(config.patch, dim)
        self.places = nn.Parameter(0.02 * torch.randn(places, dim))
        self.encoder = blocks(config.depth, dim, config.heads)
        self.into = nn.Linear(dim, dim)
        self.hidden = nn.Parameter(torch.zeros(dim))
        self.decoder_places = nn.Parameter(0.02 * torch.randn(places, dim))
        self.decoder = blocks(config.decoder_depth, dim, config.heads)
        self.draw = nn.Linear(dim, 3 * config.patch**2)
        self.reward = nn.Linear(dim, 1)

    def patches(self, frames: Mapping[str, Tensor]) -> Tensor:
        """What is to be drawn [N, V * L, 3 * patch^2], of uint8 [N, 3, H, W] of each view."""
        size = self.config.patch
        views = [F.unfold(pixels(frames[key]), size, stride=size) for key in self.keys]
        return torch.cat(views, dim=2).transpose(1, 2)

    def seen(self, frames: Mapping[str, Tensor], views: tuple[str, ...] = ()) -> Tensor:
        """Tokens [N, V * L, D] of `views`, all by default, before anything attends to anything."""
        wanted = [(i, key) for i, key in enumerate(self.keys) if not views or key in views]
        parts = [
            self.stem(pixels(frames[key])).flatten(2).transpose(1, 2)
            + self.places[i * self.tokens : (i + 1) * self.tokens]
            for i, key in wanted
        ]
        return torch.cat(parts, dim=1)

    def loss(self, frames: Mapping[str, Tensor], reward: Tensor) -> dict[str, Tensor]:
        """Square errors: `pixels` of what was hidden, and the `reward` [N] with these frames."""
        tokens = self.seen(frames)
        shown = visible(self.config, len(tokens), len(self.keys), self.tokens).to(tokens.device)
        index = shown.unsqueeze(-1).expand(-1, -1, tokens.shape[-1])
        code = self.encoder(tokens.gather(1, index))
        known = self.hidden.expand_as(tokens).scatter(1, index, self.into(code).to(tokens.dtype))
        drawn = self.draw(self.decoder(known + self.decoder_places))
        error = (drawn - self.patches(frames)).square().mean(dim=-1)
        missing = torch.ones_like(error).scatter(1, shown, 0.0)
        guessed = self.reward(code.mean(dim=1)).squeeze(-1)
        return {
            "pixels": (error * missing).sum() / missing.sum(),
            "reward": (guessed - reward).square().mean(),
        }


class TokenEncoder(nn.Module):
    """An encoder whose pictures go through a masked autoencoder that learns apart, and a reader of
    its tokens that learns with the model.
    """

    def __init__(self, config: MaskedConfig, interface: Interface) -> None:
        super().__init__()
        names = [camera.name for camera in interface.cameras]
        for name in config.control:
            if name not in names:
                raise UnknownNameError("agent.masked.control", name, names)
        self.views = tuple(
            camera.key
            for camera in interface.cameras
            if not config.control or camera.name in config.control
        )
        self.autoencoder = MaskedAutoencoder(config, interface)
        self.into = nn.Linear(config.dim, config.reader_dim)
        self.reader = blocks(config.reader_depth, config.reader_dim, config.heads)
        self.image_dim, self.proprio_dim = config.reader_dim, interface.proprio_size
        self.scale = ProprioScale(self.proprio_dim)

    def tokens(self, obs: Mapping[str, Tensor]) -> Tensor:
        """[N, V * L, D] of the views for control; nothing is learned through them."""
        frames = {key: obs[key].squeeze(1) for key in self.views}
        with torch.no_grad():
            return self.autoencoder.encoder(self.autoencoder.seen(frames, self.views))

    def read(self, tokens: Tensor, obs: Mapping[str, Tensor]) -> Features:
        image = self.reader(self.into(tokens)).mean(dim=1)
        if not self.proprio_dim:
            return Features(image, image.new_zeros(image.shape[0], 0))
        return Features(image, self.scale(obs[PROPRIO]))

    def forward(self, obs: Mapping[str, Tensor]) -> Features:
        return self.read(self.tokens(obs), obs)


def _tokens_of_a_view(config: MaskedConfig, interface: Interface) -> int:
    sizes = {(camera.height, camera.width) for camera in interface.cameras}
    if len(sizes) != 1:
        raise ConfigError(
            f"a masked autoencoder needs cameras of one size, at least one; these are {sizes}."
        )
    ((height, width),) = sizes
    if height % config.patch or width % config.patch:
        raise ConfigError(
            f"agent.masked.patch={config.patch} does not divide frames of {height}x{width} pixels."
        )
    return (height // config.patch) * (width // config.patch)


def _stem(patch: int, dim: int) -> nn.Sequential:
    """Convolutions that halve the frame until a patch is one place."""
    times = patch.bit_length() - 1
    widths = [3, *(max(8, dim >> (times - i)) for i in range(1, times + 1))]
    layers: list[nn.Module] = []
    for i in range(times):
        layers += [nn.Conv2d(widths[i], widths[i + 1], 4, 2, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], dim, 1))

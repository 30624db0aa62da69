"""The masked autoencoder: what is hidden, what is drawn, and what only one view can tell."""

import pytest
import torch
from torch import nn

from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.networks.masked import Block, MaskedAutoencoder, MaskedConfig, TokenEncoder, visible
from tests.conftest import make_interface

SMALL = {"patch": 8, "dim": 16, "depth": 2, "decoder_depth": 1, "heads": 2, "reader_dim": 8}
INTERFACE = make_interface(cameras=2, size=32)
TOKENS = 16


def frames(n: int, seed: int = 0) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    shape = (n, 3, 32, 32)
    return {
        camera.key: torch.randint(0, 256, shape, generator=chance, dtype=torch.uint8)
        for camera in INTERFACE.cameras
    }


def autoencoder(**settings) -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(MaskedConfig(**{**SMALL, **settings}), INTERFACE)


# ----------------------------------------------------------------------------- masks


def test_one_view_is_hidden_whole_and_of_the_other_a_quarter_is_shown():
    torch.manual_seed(0)
    shown = visible(MaskedConfig(**SMALL, mask_ratio=0.75), 500, 2, TOKENS)
    assert shown.shape == (500, 4)
    view = shown // TOKENS
    assert (view == view[:, :1]).all()
    assert float(view[:, 0].float().mean()) == pytest.approx(0.5, abs=0.08)
    assert (shown.diff(dim=1) > 0).all()
    counts = torch.bincount((shown % TOKENS).flatten(), minlength=TOKENS)
    assert counts.min() > 80  # of 125


@pytest.mark.parametrize(("views", "hidden", "kept"), [(3, 1, 8), (3, 2, 4), (1, 1, 4), (2, 0, 8)])
def test_at_least_one_view_is_left(views, hidden, kept):
    """A quarter of what is left of 16 tokens a view."""
    shown = visible(MaskedConfig(**SMALL, mask_ratio=0.75, hidden_views=hidden), 50, views, TOKENS)
    assert shown.shape == (50, kept)
    seen = torch.stack([(shown // TOKENS == v).any(dim=1) for v in range(views)]).sum(dim=0)
    assert (seen <= max(1, views - hidden)).all()


def test_published_masks_hide_95_percent_of_two_views():
    shown = visible(MaskedConfig(**SMALL, mask_ratio=0.9), 3, 2, 36)
    assert 1.0 - shown.shape[1] / 72 == pytest.approx(0.95, abs=0.01)


# ---------------------------------------------------------------------- autoencoder


def test_a_block_is_that_of_torch():
    block = Block(16, heads=2)
    other = nn.TransformerEncoderLayer(
        16, 2, 64, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    pairs = {
        other.self_attn.in_proj_weight: block.qkv.weight,
        other.self_attn.in_proj_bias: block.qkv.bias,
        other.self_attn.out_proj.weight: block.out.weight,
        other.self_attn.out_proj.bias: block.out.bias,
        other.linear1.weight: block.mlp[0].weight,
        other.linear1.bias: block.mlp[0].bias,
        other.linear2.weight: block.mlp[2].weight,
        other.linear2.bias: block.mlp[2].bias,
    }
    for theirs, ours in pairs.items():
        theirs.data.copy_(ours.data)
    x = torch.randn(3, 5, 16)
    torch.testing.assert_close(block(x), other(x), rtol=1e-5, atol=1e-5)


def test_patches_are_where_their_tokens_are():
    """A frame that is bright in one patch alone."""
    made, seen = autoencoder(), frames(1)
    for key in seen:
        seen[key].zero_()
    seen["image/cam1"][:, :, 8:16, 24:32] = 255
    bright = made.patches(seen)[0].mean(dim=1) > 0
    assert bright.nonzero().flatten().tolist() == [TOKENS + 4 + 3]
    dark = made.seen(frames(1))
    assert dark.shape == (1, 2 * TOKENS, 16)


def test_it_learns_to_draw_what_is_hidden():
    """Four scenes, each view tells which: what one shows is known of the other."""
    torch.manual_seed(0)
    made, seen = autoencoder(depth=1), frames(4)
    for key in seen:  # one colour a view and scene
        seen[key] = seen[key][:, :, :1, :1].expand(-1, -1, 32, 32).contiguous()
    many = {key: x.repeat(4, 1, 1, 1) for key, x in seen.items()}
    optimizer = torch.optim.Adam(made.parameters(), lr=3e-3)
    losses = []
    for _ in range(400):
        loss = made.loss(many, torch.zeros(16))["pixels"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    without_a_hint = float(made.patches(seen).var(dim=0, unbiased=False).mean())
    assert sum(losses[-40:]) / 40 < 0.65 * without_a_hint


def test_the_reward_is_guessed_from_what_is_shown():
    losses = autoencoder().loss(frames(4), torch.full((4,), 3.0))
    assert 1.0 < float(losses["reward"].detach()) < 25.0


# -------------------------------------------------------------------------- encoder


def test_what_controls_sees_one_view_and_the_autoencoder_both():
    encoder = TokenEncoder(MaskedConfig(**SMALL, control=("cam1",)), INTERFACE)
    assert encoder.views == ("image/cam1",)
    assert encoder.autoencoder.keys == ("image/cam0", "image/cam1")
    obs = {key: x.unsqueeze(1) for key, x in frames(2).items()}
    obs["proprio"] = torch.zeros(2, INTERFACE.proprio_size)
    other = {**obs, "image/cam0": 255 - obs["image/cam0"]}
    torch.testing.assert_close(encoder(other).image, encoder(obs).image, rtol=0, atol=0)
    other = {**obs, "image/cam1": 255 - obs["image/cam1"]}
    assert not torch.equal(encoder(other).image, encoder(obs).image)


def test_nothing_is_learned_through_the_tokens():
    encoder = TokenEncoder(MaskedConfig(**SMALL), INTERFACE)
    obs = {key: x.unsqueeze(1) for key, x in frames(2).items()}
    obs["proprio"] = torch.zeros(2, INTERFACE.proprio_size)
    encoder(obs).image.sum().backward()
    assert all(p.grad is None for p in encoder.autoencoder.parameters())
    assert all(p.grad is not None for p in encoder.reader.parameters())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"patch": 12}, "power of two"),
        ({"patch": 64}, "does not divide frames of 32x32"),
        ({"heads": 3}, "must divide"),
        ({"mask_ratio": 1.0}, "lies in"),
        ({"control": ("wrist",)}, "cam0"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises((ConfigError, UnknownNameError), match=words):
        TokenEncoder(MaskedConfig(**{**SMALL, **settings}), INTERFACE)

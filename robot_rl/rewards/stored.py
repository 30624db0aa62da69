"""Folders of reward models that were learned: a card and weights, no pickle in them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from robot_rl.errors import CorruptFileError
from robot_rl.folders import replacing, settled

_WEIGHTS, _CARD = "reward.safetensors", "reward.json"


def save(folder: Path, kind: str, card: Mapping[str, Any], module: nn.Module) -> None:
    """A reader never meets half of it, and a kill never takes what was there."""
    weights = {name: x.detach().cpu().contiguous() for name, x in module.state_dict().items()}
    with replacing(folder) as place:
        save_file(weights, place / _WEIGHTS)
        (place / _CARD).write_text(json.dumps({"kind": kind, **card}, indent=2) + "\n")


def load(folder: Path, kind: str, made_by: str) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """(card, weights, identity). `made_by` is the command that makes such a folder.

    Raises `CorruptFileError` where there is none, a damaged one, or one of another kind.
    """
    place = settled(folder)
    try:
        card = json.loads((place / _CARD).read_text())
        if card["kind"] != kind:
            raise ValueError(f"it holds a {card['kind']}")
        weights = load_file(place / _WEIGHTS)
        marked = hashlib.blake2b(digest_size=8)
        for name in (_WEIGHTS, _CARD):
            marked.update((place / name).read_bytes())
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CorruptFileError(
            f"{folder} holds no usable {kind} ({error}). Make one with `{made_by}`."
        ) from error
    return card, weights, f"{kind}:{marked.hexdigest()}"

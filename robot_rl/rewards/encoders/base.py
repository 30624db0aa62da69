"""The two kinds of encoder, and the memory that spares them what they have seen."""

import hashlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property

import cv2
import numpy as np

_MEMORY_BYTES = 512 * 2**20
_BATCH = 64


class FrameEncoder(ABC):
    """Frames -> vectors; what it has seen it remembers, for everybody who uses it."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Says what encodes, down to its weights: labels are cached by it."""

    @abstractmethod
    def encode(self, frames: np.ndarray) -> np.ndarray:
        """uint8 [T, H, W, 3] -> float32 [T, D]."""

    @cached_property
    def remembered(self) -> "Remembered":
        return Remembered(self.encode)


class ImageTextEncoder(FrameEncoder):
    """Frames and sentences -> unit vectors of one space."""

    @abstractmethod
    def encode_text(self, sentences: Sequence[str]) -> np.ndarray:
        """float32 [N, D]. Raises `ConfigError` for a sentence longer than it can read."""


class Remembered:
    """`encode` that is called once for each different frame, by a hash of its bytes.

    A score of an episode so far then costs one new frame a step. Kept at half precision; the oldest
    go first where memory ends.
    """

    def __init__(
        self, encode: Callable[[np.ndarray], np.ndarray], memory_bytes: int = _MEMORY_BYTES
    ) -> None:
        self._encode, self._memory_bytes = encode, memory_bytes
        self._known: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._bytes = 0

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """uint8 [T, H, W, 3] -> float32 [T, D]."""
        keys = [digest(frame) for frame in frames]
        found = {key: self._known[key] for key in keys if key in self._known}
        new = {key: i for i, key in enumerate(keys) if key not in found}
        places = list(new.values())
        for start in range(0, len(places), _BATCH):
            chunk = places[start : start + _BATCH]
            for i, vector in zip(chunk, self._encode(frames[chunk]), strict=True):
                found[keys[i]] = vector.astype(np.float16)  # as it will be found again
                self._keep(keys[i], vector)
        return np.stack([found[key] for key in keys]).astype(np.float32, copy=False)

    def _keep(self, key: bytes, vector: np.ndarray) -> None:
        kept = vector.astype(np.float16)
        self._known[key] = kept
        self._bytes += kept.nbytes
        while self._bytes > self._memory_bytes and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= oldest.nbytes


def digest(frame: np.ndarray) -> bytes:
    """16 bytes that no other frame has."""
    return hashlib.blake2b(np.ascontiguousarray(frame).data, digest_size=16).digest()


def resized(frames: np.ndarray, size: int) -> np.ndarray:
    """uint8 [T, size, size, 3]; averaged where it shrinks."""
    if frames.shape[1:3] == (size, size):
        return frames
    way = cv2.INTER_AREA if min(frames.shape[1:3]) > size else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, (size, size), interpolation=way) for frame in frames])


def unit(vectors: np.ndarray) -> np.ndarray:
    """[N, D] of length 1 each."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-8)).astype(np.float32)

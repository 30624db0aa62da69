"""Moving pictures to stand behind a scene: made here, or read from a folder."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from robot_rl.errors import ConfigError

FRAMES, RATE_HZ = 64, 10.0
_SIZE, _KEPT_SIZE = 84, 128  # larger pictures, those of films, are fitted one by one
_MADE = 20
_HELD_OUT_EVERY = 5  # one clip in so many is never seen in training
_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".gif")
_PHOTOS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


class Clip:
    """uint8 [T, H, W, 3], shown at `RATE_HZ`, forwards and then backwards without a jump."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self._sized: dict[tuple[int, int], np.ndarray] = {}

    def at(self, time_s: float, height: int, width: int) -> np.ndarray:
        """uint8 [height, width, 3]."""
        last = len(self._frames) - 1
        place = int(time_s * RATE_HZ) % max(1, 2 * last)
        frame = min(place, 2 * last - place) if last else 0
        if max(height, width) > _KEPT_SIZE:
            return _resized(self._frames[frame], height, width)
        if (height, width) not in self._sized:
            fitted = [_resized(f, height, width) for f in self._frames]
            self._sized[height, width] = np.stack(fitted)
        return self._sized[height, width][frame]


def _resized(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=8)
def clips(folder: str, held_out: bool) -> tuple[Clip, ...]:
    """Those of training or those of evaluation, which share none.

    Raises `ConfigError` where `folder` has too few to share out.
    """
    every = _names(Path(folder)) if folder else list(range(_MADE))
    mine = [c for i, c in enumerate(every) if (i % _HELD_OUT_EVERY == 0) == held_out]
    if not mine:
        raise ConfigError(
            f"task.variation.clips={folder} has {len(every)} videos and photos; training and "
            "evaluation need one each at least. Add some, or leave it empty: they are then made."
        )
    return tuple(Clip(_read(c) if isinstance(c, Path) else made(c)) for c in mine)


def _names(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"task.variation.clips={folder} is no folder.")
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in (*_VIDEOS, *_PHOTOS))


def _read(path: Path) -> np.ndarray:
    frames = _photo(path) if path.suffix.lower() in _PHOTOS else _video(path)
    if not frames:
        raise ConfigError(f"{path} cannot be read as a picture or a video; take it out of clips.")
    small = [_resized(frame, _SIZE, _SIZE) for frame in frames]
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in small])


def _photo(path: Path) -> Sequence[np.ndarray]:
    frame = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return [] if frame is None else [frame]


def _video(path: Path) -> Sequence[np.ndarray]:
    video, frames = cv2.VideoCapture(str(path)), []
    try:
        while len(frames) < FRAMES:
            there, frame = video.read()
            if not there:
                break
            frames.append(frame)
    finally:
        video.release()
    return frames


def made(number: int) -> np.ndarray:
    """uint8 [T, 84, 84, 3]: waves or blobs of a few colours that drift; each number another."""
    rng = np.random.default_rng([number, 84])
    colours = rng.uniform(0, 255, (3, 3))
    time = np.arange(FRAMES) / FRAMES
    fields = np.stack([_waves(rng, time) if number % 2 else _blobs(rng, time) for _ in range(3)])
    share = np.exp(3.0 * fields)
    share /= share.sum(axis=0)
    return np.einsum("kthw,kc->thwc", share, colours).astype(np.uint8)


def _waves(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """[T, H, W] in [-1, 1]."""
    y, x = np.mgrid[0 : 1 : _SIZE * 1j, 0 : 1 : _SIZE * 1j]
    total = np.zeros((len(time), _SIZE, _SIZE))
    for _ in range(4):
        across, down, phase = rng.uniform(-5, 5), rng.uniform(-5, 5), rng.uniform(0, 1)
        turns = across * x + down * y + phase
        total += np.sin(2 * np.pi * (turns + rng.integers(-2, 3) * time[:, None, None]))
    return total / 4


def _blobs(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """[T, H, W] in [-1, 1]."""
    y, x = np.mgrid[0 : 1 : _SIZE * 1j, 0 : 1 : _SIZE * 1j]
    total = np.full((len(time), _SIZE, _SIZE), -1.0)
    for _ in range(6):
        (at_x, at_y), (go_x, go_y) = rng.uniform(0, 1, 2), rng.uniform(-0.6, 0.6, 2)
        size = rng.uniform(0.08, 0.25)
        left, top = at_x + go_x * time, at_y + go_y * time
        square = (x - left[:, None, None]) ** 2 + (y - top[:, None, None]) ** 2
        total = np.maximum(total, 2.0 * np.exp(-square / (2 * size**2)) - 1.0)
    return total

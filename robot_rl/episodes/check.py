"""Finds what spoils a recording: frozen cameras, dropped frames, wrong rates, NaN, loose ends."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from robot_rl.episodes.folder import StoredEpisode
from robot_rl.types import IMAGE_PREFIX, PROPRIO, Interface

_FROZEN_FRAMES = 3  # equal pictures in a row while the robot moves
_MOVED = 1e-3  # of any number of proprio, in its unit
_DROPPED = 1.5  # periods between two observations
_RATE_TOLERANCE = 0.1


@dataclass(frozen=True)
class Finding:
    """One thing wrong with one episode."""

    episode: str
    what: str


def check(episode: StoredEpisode, interface: Interface) -> list[Finding]:
    """Everything wrong with `episode`; empty where it is sound."""
    found = [
        *_not_finite(episode),
        *_frozen(episode, interface),
        *_clock(episode, interface),
        *_loose_ends(episode),
    ]
    return [Finding(episode.name, what) for what in found]


def _not_finite(episode: StoredEpisode) -> Iterator[str]:
    for i, step in enumerate(episode.steps):
        if not (np.isfinite(step.action).all() and math.isfinite(step.reward)):
            yield f"step {i}: the action or the reward is not finite"
    for i, obs in enumerate(episode.obs):
        if PROPRIO in obs and not np.isfinite(obs[PROPRIO]).all():
            yield f"observation {i}: proprio is not finite"


def _frozen(episode: StoredEpisode, interface: Interface) -> Iterator[str]:
    """A picture may repeat while nothing moves; while proprio changes it must not."""
    if not interface.proprio:
        return
    for camera in interface.cameras:
        longest, end = _longest_freeze(episode, camera.key)
        if longest >= _FROZEN_FRAMES:
            name = camera.key.removeprefix(IMAGE_PREFIX)
            yield f"camera {name} is frozen for {longest} frames up to observation {end}"


def _longest_freeze(episode: StoredEpisode, key: str) -> tuple[int, int]:
    longest = run = end = 0
    for i in range(1, len(episode.obs)):
        before, now = episode.obs[i - 1], episode.obs[i]
        moved = np.abs(now[PROPRIO] - before[PROPRIO]).max() > _MOVED
        run = run + 1 if moved and np.array_equal(before[key], now[key]) else 0
        if run > longest:
            longest, end = run, i
    return longest, end


def _clock(episode: StoredEpisode, interface: Interface) -> Iterator[str]:
    stamps = np.array([step.stamp_s for step in episode.steps])
    stamps = stamps[np.isfinite(stamps)]
    if len(stamps) < 2:
        return
    gaps_s = np.diff(stamps)
    period_s = 1.0 / interface.control_rate_hz
    if (gaps_s <= 0).any():
        yield f"time stands still or runs backwards after step {int(np.argmin(gaps_s))}"
    dropped = int((gaps_s > _DROPPED * period_s).sum())
    if dropped:
        yield f"frames dropped at {dropped} places, {gaps_s.max():.2f} s at most"
    rate_hz = 1.0 / max(float(np.median(gaps_s)), 1e-9)
    if abs(rate_hz - interface.control_rate_hz) > _RATE_TOLERANCE * interface.control_rate_hz:
        yield f"recorded at {rate_hz:.1f} Hz, the interface says {interface.control_rate_hz:g}"


def _loose_ends(episode: StoredEpisode) -> Iterator[str]:
    if not episode.steps:
        yield "no steps"
    elif not episode.finished:
        yield "unfinished: whoever recorded it was stopped"

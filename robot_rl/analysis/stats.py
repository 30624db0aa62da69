"""Interval estimates and aggregates over runs and tasks.

Agarwal et al. 2021, *Deep RL at the Edge of the Statistical Precipice* (arXiv:2108.13264), whose
library rliable gives the same numbers (tests/analysis/test_stats.py). The scores of an agent are
one array a task, one value a run; arrays may have a leading axis of bootstrap draws.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

# Reduces the last axis of every task's scores: a number, or one for each bootstrap draw.
Statistic = Callable[[Sequence[np.ndarray]], np.ndarray]

_TRIMMED = 0.25


def wilson_interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Confidence interval of a success rate (Wilson 1927); (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    p = successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    )
    # Rounding must not push the bound past the rate itself.
    return max(0.0, min(centre - half, p)), min(1.0, max(centre + half, p))


def task_mean(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over tasks of the mean over runs."""
    return np.mean([task.mean(axis=-1) for task in scores], axis=0)


def interquartile_mean(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of the middle half of all runs of all tasks."""
    ordered = np.sort(np.concatenate(scores, axis=-1), axis=-1)
    cut = int(_TRIMMED * ordered.shape[-1])
    return ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)


def probability_of_improvement(x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over tasks of P(X > Y), a tie counts half: how often a run of x beats one of y."""
    return np.mean([_beats(a, b) for a, b in zip(x, y, strict=True)], axis=0)


def performance_profile(scores: Sequence[np.ndarray], taus: np.ndarray) -> np.ndarray:
    """Share of all runs that score more than each of `taus` [T]: [T], or [draws, T]."""
    every = np.concatenate(scores, axis=-1)
    return (every[..., None, :] > taus[:, None]).mean(axis=-1)


def bootstrap_interval(
    scores: Sequence[np.ndarray],
    statistic: Statistic = task_mean,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of `statistic`; runs are drawn again within each task (stratified)."""
    return _interval(statistic(_drawn(scores, draws, seed)), level)


def improvement_interval(
    x: Sequence[np.ndarray],
    y: Sequence[np.ndarray],
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """The same of `probability_of_improvement`; x and y are drawn by themselves."""
    pairs = probability_of_improvement(_drawn(x, draws, seed), _drawn(y, draws, seed + 1))
    return _interval(pairs, level)


def _beats(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    more = x[..., :, None] - y[..., None, :]
    return ((more > 0) + 0.5 * (more == 0)).mean(axis=(-2, -1))


def _drawn(scores: Sequence[np.ndarray], draws: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [task[rng.integers(0, len(task), (draws, len(task)))] for task in scores]


def _interval(drawn: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high

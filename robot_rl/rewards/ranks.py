"""Spearman's rank correlation."""

import numpy as np


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of two rows [N], ties sharing their mean rank; 0 where one of them never changes."""
    ranks = [_ranks(np.asarray(x, np.float64)) for x in (a, b)]
    if min(rank.std() for rank in ranks) < 1e-12:
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(x: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2.0)[place]

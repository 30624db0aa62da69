"""Entropic optimal transport between two episodes."""

import numpy as np

_EPSILON, _ITERATIONS = 0.01, 100


def sinkhorn(
    cost: np.ndarray, epsilon: float = _EPSILON, iterations: int = _ITERATIONS
) -> np.ndarray:
    """[T, T'] of mass 1: the entropic plan between uniform marginals (Cuturi 2013).

    `epsilon` counts in units of the mean cost. In logarithms, so that a small one underflows
    nowhere.
    """
    kernel = -cost / (epsilon * max(float(cost.mean()), 1e-9))
    rows, columns = np.log(1.0 / cost.shape[0]), np.log(1.0 / cost.shape[1])
    v = np.zeros(cost.shape[1])
    u = np.zeros(cost.shape[0])
    for _ in range(iterations):
        u = rows - _logsumexp(kernel + v[None], 1)
        v = columns - _logsumexp(kernel + u[:, None], 0)
    return np.exp(kernel + u[:, None] + v[None])


def _logsumexp(x: np.ndarray, axis: int) -> np.ndarray:
    most = x.max(axis, keepdims=True)
    return np.log(np.exp(x - most).sum(axis)) + most.squeeze(axis)

"""The entropic plan: its marginals, and what it finds where the answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.rewards.transport import sinkhorn


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 1000))
def test_marginals_are_uniform(rows, columns, seed):
    cost = np.random.default_rng(seed).random((rows, columns))
    plan = sinkhorn(cost, epsilon=0.5, iterations=200)
    np.testing.assert_allclose(plan.sum(1), 1.0 / rows, atol=1e-5)
    np.testing.assert_allclose(plan.sum(0), 1.0 / columns, atol=1e-5)


def test_a_permutation_is_found():
    order = np.array([2, 0, 3, 1])
    cost = np.ones((4, 4))
    cost[np.arange(4), order] = 0.0
    plan = sinkhorn(cost)
    np.testing.assert_allclose(plan[np.arange(4), order], 0.25, atol=1e-6)


def test_a_large_epsilon_is_the_product_of_the_marginals():
    plan = sinkhorn(np.random.default_rng(0).random((3, 5)), epsilon=1e4)
    np.testing.assert_allclose(plan, 1.0 / 15, atol=1e-4)
    assert np.isfinite(sinkhorn(np.zeros((3, 3)))).all()


def test_more_mass_goes_where_it_is_cheap():
    cost = np.array([[0.0, 1.0], [1.0, 0.2]])
    plan = sinkhorn(cost, epsilon=0.3)
    assert plan[0, 0] > 4 * plan[0, 1]
    assert plan.sum() == pytest.approx(1.0)

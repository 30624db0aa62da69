"""Aggregates by hand, and the same as rliable's on random scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.analysis.stats import (
    bootstrap_interval,
    improvement_interval,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    task_mean,
)

# Tasks by runs, few enough values that ties happen.
matrices = st.integers(1, 4).flatmap(
    lambda tasks: st.lists(
        st.lists(st.integers(0, 5), min_size=tasks, max_size=tasks), min_size=2, max_size=6
    )
)


def by_task(runs: list[list[int]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """As rliable wants them [runs, tasks], and as we do."""
    matrix = np.array(runs, float)
    return matrix, list(matrix.T)


def test_the_middle_half_of_all_runs_is_averaged():
    assert interquartile_mean([np.array([0.0, 1.0, 2.0]), np.array([9.0])]) == 1.5
    assert interquartile_mean([np.array([3.0, 5.0])]) == 4.0


def test_a_mean_weighs_tasks_alike_however_many_runs_they_have():
    assert task_mean([np.array([1.0]), np.array([0.0, 0.0, 0.0])]) == 0.5


def test_a_tie_is_half_an_improvement():
    x, y = [np.array([1.0, 2.0])], [np.array([1.0])]
    assert probability_of_improvement(x, y) == 0.75
    assert probability_of_improvement(y, x) == 0.25


def test_runs_are_drawn_again_within_their_task():
    """Each task is constant: whatever is drawn, the mean over tasks is the same."""
    low, high = bootstrap_interval([np.zeros(3), np.ones(5)])
    assert (low, high) == (0.5, 0.5)


def test_an_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for trial in range(300):
        low, high = bootstrap_interval([rng.normal(0.3, 1.0, 30)], draws=400, seed=trial)
        inside += low < 0.3 < high
    assert inside / 300 == pytest.approx(0.94, abs=0.04)


@settings(max_examples=40)
@given(runs=matrices)
def test_points_equal_rliables(runs):
    from rliable import library, metrics

    matrix, ours = by_task(runs)
    assert interquartile_mean(ours) == pytest.approx(metrics.aggregate_iqm(matrix))
    assert task_mean(ours) == pytest.approx(metrics.aggregate_mean(matrix))
    taus = np.linspace(-1, 6, 15)
    wanted = library.score_distributions(matrix, taus)
    np.testing.assert_allclose(performance_profile(ours, taus), wanted)


@settings(max_examples=40)
@given(data=st.data(), tasks=st.integers(1, 3))
def test_improvement_equals_rliables(data, tasks):
    from rliable import metrics

    scores = st.lists(st.lists(st.integers(0, 5), min_size=tasks, max_size=tasks), min_size=2)
    (x, our_x), (y, our_y) = (by_task(data.draw(scores)) for _ in "xy")
    wanted = metrics.probability_of_improvement(x, y)
    assert probability_of_improvement(our_x, our_y) == pytest.approx(wanted)


def test_intervals_equal_rliables():
    from rliable import library, metrics

    rng = np.random.default_rng(0)
    x, y = rng.normal(0.6, 0.2, (5, 4)), rng.normal(0.5, 0.2, (6, 4))
    np.random.seed(0)
    (low, high), (better_low, better_high) = (
        library.get_interval_estimates(scores, lambda *s, f=f: np.array([f(*s)]), reps=4000)[1]["a"]
        for scores, f in (
            ({"a": x}, metrics.aggregate_iqm),
            ({"a": (x, y)}, metrics.probability_of_improvement),
        )
    )
    found = bootstrap_interval(list(x.T), interquartile_mean, draws=4000)
    assert found == pytest.approx((low[0], high[0]), abs=0.01)
    found = improvement_interval(list(x.T), list(y.T), draws=4000)
    assert found == pytest.approx((better_low[0], better_high[0]), abs=0.02)

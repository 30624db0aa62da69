"""What is measured of every step, over episodes."""

import pytest

from robot_rl.training.peaks import Peaks


def peaks(*values: float) -> Peaks:
    found = Peaks()
    for value in values:
        found.add({"joint_speed": value})
    return found


def test_the_largest_and_the_mean():
    assert peaks(1.0, 4.0, 1.0).metrics() == {"joint_speed_max": 4.0, "joint_speed_mean": 2.0}


def test_a_step_without_a_measure_counts_nothing_for_it():
    found = peaks(1.0, 3.0)
    found.add({"joint_jerk": 8.0})
    found.add({})
    assert found.metrics()["joint_speed_mean"] == 2.0
    assert found.metrics()["joint_jerk_mean"] == 8.0
    assert Peaks().metrics() == {}


def test_episodes_together_are_as_one_long_one():
    together = Peaks.together([peaks(-1.0, -4.0), Peaks(), peaks(-2.0)])
    assert together == peaks(-1.0, -4.0, -2.0)
    assert together.metrics()["joint_speed_mean"] == pytest.approx(-7 / 3)

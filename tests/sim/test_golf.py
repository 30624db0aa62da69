"""The ball rolls, slows down, falls in where it is not too fast, and is out of reach before."""

import numpy as np
import pytest

from sim.suites.arm import ArmSimulation, make

STILL = np.zeros(4, np.float32)


@pytest.fixture
def simulation() -> ArmSimulation:
    simulation = make("golf")
    simulation.reset(np.random.default_rng(0))
    return simulation


def hole(simulation: ArmSimulation) -> np.ndarray:
    return simulation.data.mocap_pos[0][:2].copy()


def roll(simulation: ArmSimulation, at: np.ndarray, speed_m_s: float, steps: int) -> None:
    """The ball on the green at `at` [2] m, rolling along x."""
    ball = simulation.data.joint("ball")
    ball.qpos[:3] = (*at, 0.047)
    ball.qvel[:] = (speed_m_s, 0, 0, 0, speed_m_s / 0.017, 0)
    for _ in range(steps):
        simulation.step(STILL)


@pytest.mark.parametrize(("speed_m_s", "falls_in"), [(0.3, True), (2.0, False)])
def test_a_ball_falls_in_unless_it_is_too_fast(simulation, speed_m_s, falls_in):
    roll(simulation, hole(simulation) - (0.1, 0.0), speed_m_s, 15)
    assert simulation.task.at_goal(simulation.arm) == falls_in
    assert (simulation.task.dense_reward(simulation.arm) == 1.0) == falls_in


def test_a_ball_that_misses_is_on_the_green_or_off_it_but_not_in_the_hole(simulation):
    for offset in ((-0.1, 0.06), (0.0, 0.08)):
        roll(simulation, hole(simulation) + offset, 0.0, 5)
        assert not simulation.task.at_goal(simulation.arm)
    simulation.data.joint("ball").qpos[:3] = (0.1, 0.4, 0.017)  # as low as in the hole
    simulation.step(STILL)
    assert not simulation.task.at_goal(simulation.arm)


def test_rolling_slows_the_ball_by_nine_centimetres_a_second_each_second(simulation):
    roll(simulation, np.array([0.36, 0.2]), 0.3, 0)
    speeds = []
    for _ in range(10):
        simulation.step(STILL)
        speeds.append(simulation.task.ball_vel(simulation.arm)[0])
    # mu g / (7/5 r), with the friction of the ball alone: 0.0002 m and 0.017 m
    assert (speeds[1] - speeds[9]) / 0.8 == pytest.approx(0.0824, rel=0.1)


def test_the_hole_is_beyond_the_workspace(simulation):
    for seed in range(50):
        simulation.reset(np.random.default_rng(seed))
        assert hole(simulation)[0] - 0.034 > simulation.arm.kind.workspace_high[0]


def test_the_expert_strikes_once_and_stands(simulation):
    moving = []
    for _ in range(simulation.max_episode_steps):
        action = simulation.expert_action()
        simulation.step(action)
        moving.append(bool(np.abs(action).max() > 0.1))
    last = np.flatnonzero(moving)[-1]
    assert simulation.task.at_goal(simulation.arm)
    assert last < 30
    assert not any(moving[last + 1 :])

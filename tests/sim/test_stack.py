"""What counts as stacked: where the red cube lies, and that nobody holds it."""

import numpy as np
import pytest

from sim.suites.arm import ArmSimulation, make
from sim.tasks import cubes


@pytest.fixture
def simulation() -> ArmSimulation:
    simulation = make("stack")
    simulation.reset(np.random.default_rng(0))
    return simulation


def put_red(simulation: ArmSimulation, offset_m: tuple[float, float, float]) -> None:
    """On top of the blue cube, `offset_m` from where it belongs, and let it settle."""
    arm = simulation.arm
    blue, red = arm.data.joint("blue"), arm.data.joint("red")
    red.qpos[:] = blue.qpos
    red.qpos[:3] += np.array([0.0, 0.0, 0.04]) + offset_m
    red.qvel[:] = 0.0
    for _ in range(10):
        simulation.step(np.zeros(4, np.float32))


@pytest.mark.parametrize(
    ("offset_m", "wanted"),
    [
        ((0.0, 0.0, 0.001), True),
        ((0.012, 0.0, 0.001), True),
        ((0.018, 0.0, 0.001), False),  # it lies there, but too far to one side
        ((0.06, 0.0, -0.04), False),  # on the table beside it
    ],
)
def test_a_cube_that_lies_on_the_other_is_stacked(simulation, offset_m, wanted):
    put_red(simulation, offset_m)
    assert simulation.task.at_goal(simulation.arm) == wanted
    assert (simulation.task.dense_reward(simulation.arm) == 1.0) == wanted


def test_a_cube_that_is_still_held_is_not_stacked(simulation):
    """The expert's way: it lies in place while a finger is still there, and only then is free."""
    task, arm, touched = simulation.task, simulation.arm, []
    for _ in range(simulation.max_episode_steps):
        outcome = simulation.step(simulation.expert_action())
        if task.placed(arm) and cubes.held(arm, "red", fingers=1):
            touched.append(outcome.reward)
            assert not outcome.success
    assert touched
    assert 0.8 <= min(touched) <= max(touched) < 1.0
    assert outcome.success
    assert outcome.reward == 1.0

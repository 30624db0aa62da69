"""The door: its bolt holds until the handle is down, and only its angle counts."""

import numpy as np
import pytest

from sim.suites.arm import ArmSimulation, make


@pytest.fixture
def simulation() -> ArmSimulation:
    simulation = make("door")
    simulation.reset(np.random.default_rng(0))
    return simulation


def pulled(simulation: ArmSimulation, handle_rad: float) -> float:
    """How far the door opens, rad, under 1.5 Nm for 2 s with the handle turned so far."""
    data = simulation.data
    data.joint("handle").qpos[0] = handle_rad
    data.joint("door").qfrc_applied[0] = -1.5
    for _ in range(20):
        simulation.step(np.zeros(3, np.float32))
    return simulation.task.opened(simulation.arm)


@pytest.mark.parametrize("handle_rad", [0.0, 0.3, 0.5])
def test_pulling_does_not_open_the_door_before_the_handle_is_down(simulation, handle_rad):
    assert pulled(simulation, handle_rad) < 0.1


def test_the_door_opens_once_the_handle_is_down(simulation):
    assert pulled(simulation, 0.9) > 1.0


def test_the_handle_stays_where_it_is_turned_to(simulation):
    simulation.data.joint("handle").qpos[0] = 0.5
    for _ in range(20):
        simulation.step(np.zeros(3, np.float32))
    assert simulation.task.turned(simulation.arm) == pytest.approx(0.5, abs=0.02)


def test_success_is_the_angle_of_the_door_alone(simulation):
    for opened_rad, wanted in ((0.58, False), (0.62, True)):
        simulation.data.joint("door").qpos[0] = -opened_rad
        assert simulation.task.at_goal(simulation.arm) == wanted
        assert (simulation.task.dense_reward(simulation.arm) == 1.0) == wanted


def test_the_reward_rises_from_handle_to_hinge(simulation):
    task, arm, data = simulation.task, simulation.arm, simulation.data
    rewards = []
    for handle_rad, door_rad in ((0.0, 0.0), (0.5, 0.0), (0.85, 0.0), (0.85, -0.3), (0.85, -0.55)):
        data.joint("handle").qpos[0], data.joint("door").qpos[0] = handle_rad, door_rad
        rewards.append(task.dense_reward(arm))
    assert rewards == sorted(rewards)
    assert rewards[-1] > 0.7

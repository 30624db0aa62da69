"""The cable: as long as it was made, held at both ends, and laid only between the posts."""

import numpy as np
import pytest

from sim.suites.arm import ArmSimulation, make
from sim.tasks.cable_route import _LENGTH_M, _SEGMENTS

STILL = np.zeros(3, np.float32)


@pytest.fixture(scope="module")
def simulation() -> ArmSimulation:
    return make("cable_route")


def ends(simulation: ArmSimulation) -> np.ndarray:
    """[2, 3] m: where it is clamped and where it is held."""
    data = simulation.data
    return np.array([data.body("cable0").xpos, data.site("cable_end").xpos])


@pytest.mark.parametrize("seed", range(5))
def test_it_starts_taut_between_the_clamp_and_the_hand_and_free_of_the_clips(simulation, seed):
    simulation.reset(np.random.default_rng(seed))
    clamped, held = ends(simulation)
    assert np.linalg.norm(held - clamped) == pytest.approx(_LENGTH_M, abs=1e-6)
    assert held == pytest.approx(simulation.arm.grip_pos, abs=2e-3)
    assert not any(simulation.task.laid(simulation.arm, clip) for clip in (0, 1))


def test_it_bends_and_stays_in_the_hand_and_as_long_as_it_is(simulation):
    simulation.reset(np.random.default_rng(0))
    for _ in range(10):
        simulation.step(np.array([-0.6, -0.6, -0.5], np.float32))
    clamped, held = ends(simulation)
    assert held == pytest.approx(simulation.arm.grip_pos, abs=3e-3)
    assert np.linalg.norm(held - clamped) < 0.8 * _LENGTH_M  # slack
    points = simulation.task._cable(simulation.arm)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps == pytest.approx(np.full(_SEGMENTS - 1, _LENGTH_M / _SEGMENTS), rel=0.05)
    assert points[:, 2].min() > 0.0  # on the table, not in it


def test_a_hand_that_pulls_does_not_stretch_it(simulation):
    simulation.reset(np.random.default_rng(0))
    for _ in range(15):
        simulation.step(np.array([1.0, 1.0, 0.3], np.float32))
    clamped, held = ends(simulation)
    assert np.linalg.norm(held - clamped) < _LENGTH_M + 5e-3


def test_only_both_clips_together_are_success(simulation):
    simulation.reset(np.random.default_rng(1))
    task, arm, seen = simulation.task, simulation.arm, []
    for _ in range(simulation.max_episode_steps):
        outcome = simulation.step(simulation.expert_action())
        seen.append((task.laid(arm, 0), task.laid(arm, 1), outcome.reward, outcome.success))
    first_only = [reward for first, second, reward, _ in seen if first and not second]
    assert first_only
    assert max(first_only) < 1.0
    assert not any(success for first, second, _, success in seen if not (first and second))
    assert seen[-1] == (True, True, 1.0, True)


def test_both_mirrored_layouts_are_drawn(simulation):
    sides = set()
    for seed in range(20):
        simulation.reset(np.random.default_rng(seed))
        sides.add(bool(simulation.data.body("clip1").xpos[1] > 0))
    assert sides == {True, False}

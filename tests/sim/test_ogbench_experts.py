"""Plans towards the goals of OGBench's tasks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.registry import make_simulation
from sim.suites.ogbench_experts import lights_out


def pressed(buttons: np.ndarray, rows: int, cols: int) -> np.ndarray:
    lit = np.zeros((rows, cols), bool)
    for button in np.flatnonzero(buttons):
        x, y = divmod(int(button), cols)
        for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            if 0 <= x + dx < rows and 0 <= y + dy < cols:
                lit[x + dx, y + dy] ^= True
    return lit


@given(st.sampled_from([(3, 3), (4, 4), (4, 5), (4, 6)]), st.integers(0, 2**24 - 1))
def test_presses_turn_everything_off(size, bits):
    rows, cols = size
    buttons = np.array([bits >> i & 1 for i in range(rows * cols)], bool)
    lit = pressed(buttons, rows, cols)
    presses = lights_out(lit)
    np.testing.assert_array_equal(pressed(presses, rows, cols), lit)
    assert presses.sum() <= buttons.sum()


def test_no_fewer_presses_would_do():
    rng = np.random.default_rng(0)
    for _ in range(5):
        lit = pressed(rng.random(9) < 0.5, 3, 3)
        ways = [
            sum(way)
            for way in itertools.product((0, 1), repeat=9)
            if (pressed(np.array(way), 3, 3) == lit).all()
        ]
        assert lights_out(lit).sum() == min(ways)


def test_what_no_presses_turn_off_is_told():
    lit = np.zeros((4, 4), bool)
    lit[0, 0] = True
    with pytest.raises(ValueError, match="no presses turn these off"):
        lights_out(lit)


@pytest.mark.parametrize(
    "task",
    [
        "cube-double-singletask-task2",
        "puzzle-3x3-singletask-task2",
        "puzzle-4x4-singletask-task4",
        *(f"scene-singletask-task{goal}" for goal in range(1, 6)),
    ],
)
def test_the_expert_reaches_the_goal_and_does_so_again(task):
    simulation = make_simulation(f"ogbench/visual-{task}-v0", "sparse")
    lengths = []
    for _ in range(2):
        simulation.reset(np.random.default_rng(0))
        for step in range(300):
            outcome = simulation.step(simulation.scene().expert_action)
            if outcome.success:
                lengths.append(step)
                break
    simulation.close()
    assert len(lengths) == 2
    assert lengths[0] == lengths[1]

"""The arm's servo: the rate that was asked for, to the border and no farther, still when told."""

from typing import Any

import numpy as np
import pytest

from robot_rl.axes import TCP_LINEAR
from sim.arm import Arm
from sim.arm_config import ArmConfig
from sim.arms.primitive import PRIMITIVE

CONFIG = ArmConfig()
PERIOD_S = 1.0 / CONFIG.control_rate_hz
MIDDLE = np.array([0.37, 0.0, 0.15])


def nothing(spec: Any, kind: Any) -> None:
    """No objects."""


@pytest.fixture
def arm() -> Arm:
    arm = Arm(PRIMITIVE, CONFIG, nothing, turns=True, gripper=True)
    arm.reset(MIDDLE, gripper_opening=0.02)
    return arm


def command(arm: Arm, seconds: float, duration_s: float = PERIOD_S, **rates: float) -> np.ndarray:
    """Where the tool was after each tick [N, 3], with a new command every period."""
    every = round(PERIOD_S / CONFIG.tick_s)
    places = []
    for tick in range(round(seconds / CONFIG.tick_s)):
        if tick % every == 0:
            arm.servo.command([rates.get(axis.name, 0.0) for axis in arm.axes], duration_s)
        arm.tick()
        places.append(arm.tcp_pos.copy())
    return np.array(places)


@pytest.mark.parametrize(("axis", "rate_m_s"), [("tcp_x", 0.2), ("tcp_y", -0.3), ("tcp_z", 0.1)])
def test_the_tool_moves_steadily_at_the_rate_and_in_a_line(arm, axis, rate_m_s):
    places = command(arm, 0.6, **{axis: rate_m_s})
    along = TCP_LINEAR.index(axis)
    later = places[10:]
    speeds = np.diff(later[:, along]) / CONFIG.tick_s
    assert speeds.mean() == pytest.approx(rate_m_s, rel=0.02)
    assert np.abs(speeds / rate_m_s - 1.0).max() < 0.1
    assert np.ptp(np.delete(places, along, axis=1), axis=0).max() < 3e-3


def test_it_goes_as_far_as_it_was_told_and_stands(arm):
    command(arm, 0.3, tcp_x=0.2, tcp_y=-0.1, tcp_z=0.1)
    still = command(arm, 1.0)
    assert still[-1] == pytest.approx(MIDDLE + 0.3 * np.array([0.2, -0.1, 0.1]), abs=1e-3)
    assert np.ptp(still[-20:], axis=0).max() < 1e-4


def test_a_command_that_nobody_follows_ends_by_itself(arm):
    arm.servo.command([0.3, 0.0, 0.0, 0.0, 0.0], 1.25 * PERIOD_S)
    for _ in range(60):
        arm.tick()
    assert arm.tcp_pos == pytest.approx(MIDDLE + np.array([0.0375, 0, 0]), abs=1e-3)


def test_the_border_is_reached_not_passed_and_not_left_again(arm):
    places = command(arm, 1.5, tcp_x=0.3, tcp_y=0.3, tcp_rz=1.5)
    high = np.array(PRIMITIVE.workspace_high)
    assert (places <= high + 2e-3).all()
    still = command(arm, 0.5)
    assert still[-1][:2] == pytest.approx(high[:2], abs=2e-3)
    assert arm.yaw == pytest.approx(PRIMITIVE.max_yaw_rad, abs=5e-3)
    back = command(arm, PERIOD_S, tcp_x=-0.3)[-1]
    assert back[0] < high[0] - 0.01  # nothing was wound up beyond it


def test_closed_fingers_press_on_while_the_arm_stands(arm):
    command(arm, 0.5, gripper=-0.2)
    assert arm.gripper_opening == pytest.approx(0.0, abs=1e-3)
    command(arm, 0.5)
    assert arm.gripper_opening == pytest.approx(0.0, abs=1e-3)

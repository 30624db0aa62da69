"""The arm that turns its tool: it gets there, within its limits, and holds when it is told."""

import math
from typing import Any

import numpy as np
import pytest

from sim.arm import TURN_PROPRIO, Arm
from sim.arm_config import ArmConfig
from sim.arms.primitive import PRIMITIVE

CONFIG = ArmConfig()
MIDDLE = np.array([0.37, 0.0, 0.15])


def nothing(spec: Any, kind: Any) -> None:
    """No objects."""


def turning(at: np.ndarray = MIDDLE) -> Arm:
    arm = Arm(PRIMITIVE, CONFIG, nothing, turns=True, gripper=True)
    arm.reset(at, gripper_opening=0.02)
    return arm


def hold(arm: Arm, steps: int) -> None:
    for _ in range(steps):
        arm.apply(np.zeros(5, np.float32))


def turn(arm: Arm, actions: int, action: float) -> None:
    for _ in range(actions):
        arm.apply(np.array([0, 0, 0, action, 0], np.float32))


@pytest.mark.parametrize("x", [0.24, 0.50])
@pytest.mark.parametrize("y", [-0.22, 0.0, 0.22])
@pytest.mark.parametrize("yaw_rad", [-PRIMITIVE.max_yaw_rad, 0.0, PRIMITIVE.max_yaw_rad])
def test_every_yaw_is_reached_everywhere_with_the_tool_in_place_and_pointing_down(x, y, yaw_rad):
    at = np.array([x, y, 0.1])
    arm = turning(at)
    assert arm.yaw == pytest.approx(0.0, abs=1e-3)
    turn(arm, 7, np.sign(yaw_rad))
    hold(arm, 10)
    assert arm.yaw == pytest.approx(yaw_rad, abs=0.01)
    assert arm.tcp_pos == pytest.approx(at, abs=1e-3)
    assert arm.data.site("tcp").xmat[8] < -0.9999
    low, high = arm.joint_range
    assert ((arm.joint_pos > low + 0.05) & (arm.joint_pos < high - 0.05)).all()


def test_an_action_of_one_turns_by_the_scale_of_the_axis():
    arm = turning()
    turn(arm, 3, 0.5)
    hold(arm, 5)
    scale = next(f.scale for f in arm.action_fields if f.unit == "rad")
    assert arm.yaw == pytest.approx(3 * 0.5 * scale, abs=0.01)


def test_the_yaw_neither_leaves_its_workspace_nor_runs_ahead_of_a_blocked_tool():
    arm = turning()
    turn(arm, 20, 1.0)
    assert arm.yaw <= PRIMITIVE.max_yaw_rad + 0.01
    turn(arm, 1, -1.0)  # nothing was wound up beyond the border
    hold(arm, 5)
    assert arm.yaw == pytest.approx(PRIMITIVE.max_yaw_rad - CONFIG.max_delta_rad, abs=0.01)
    blocked = turning()
    for _ in range(10):
        blocked.steer(np.zeros(3), 1.0, 0.1)  # physics stands still
    assert blocked._yaw_target == pytest.approx(CONFIG.leash_rad, abs=1e-3)


def test_hold_makes_the_measured_yaw_the_target():
    arm = turning()
    turn(arm, 2, 1.0)
    arm.servo.stop()
    held = arm.yaw
    hold(arm, 10)
    assert arm.yaw == pytest.approx(held, abs=0.03)


def test_proprio_ends_with_sine_cosine_and_speed_of_the_yaw():
    arm = turning()
    turn(arm, 3, -1.0)
    sine, cosine, speed_rad_s = arm.proprio()[-3:]
    assert math.atan2(sine, cosine) == pytest.approx(arm.yaw, abs=1e-6)
    assert -2.0 < speed_rad_s < -1.0  # 0.15 rad within 0.1 s, a little late
    assert arm.proprio_fields[-2:] == TURN_PROPRIO
    assert len(arm.proprio()) == sum(field.size for field in arm.proprio_fields)


def test_an_arm_that_does_not_turn_has_the_axes_and_the_proprio_that_it_had():
    arm = Arm(PRIMITIVE, CONFIG, nothing, gripper=False)
    assert [field.name for field in arm.action_fields] == ["tcp_x", "tcp_y", "tcp_z"]
    assert [field.name for field in arm.proprio_fields] == ["tcp_pos", "tcp_vel", "gripper_opening"]
    arm.reset(MIDDLE, 0.0)
    assert len(arm.proprio()) == 7

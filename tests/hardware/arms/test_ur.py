"""The UR's driver: the package `ur-rtde` against a controller that speaks its protocols."""

import os
import time

import numpy as np
import pytest

from hardware.arms.ur import UniversalRobot
from hardware.rotation import columns
from robot_rl.errors import ConfigError, HardwareError
from tests.hardware.arms.test_so101 import until
from tests.hardware.arms.ur_controller import Remote


@pytest.fixture(scope="module")
def host():
    """An address of this process alone: the ports are fixed."""
    return f"127.0.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF or 1}"


@pytest.fixture
def controller(host):
    made = Remote(host)
    yield made
    made.close()


@pytest.fixture
def connect(host, controller):
    made = []

    def opened(**settings):
        arm = UniversalRobot(host, **settings)
        made.append(arm)
        arm.connect()
        return arm

    yield opened
    for arm in made:
        arm.disconnect()


def pose(controller):
    return np.array(controller.tell("where")["actual_TCP_pose"])


def test_it_tells_where_it_is(connect):
    state = connect().state()
    np.testing.assert_allclose(state.tcp_pos_m, (0.4, -0.1, 0.3), atol=1e-9)
    np.testing.assert_allclose(columns(state.tcp_quat), (-1, 0, 0, 0, 1, 0), atol=2e-3)
    np.testing.assert_allclose(state.joint_pos_rad, (0.1, -1.5, 1.4, -1.6, -1.57, 0.2))
    assert state.force_n == pytest.approx(5.0)
    assert state.gripper_m == pytest.approx(0.0425)


def test_it_moves_as_fast_as_it_is_told_and_stops_by_itself(controller, connect):
    arm = connect()
    before = pose(controller)
    arm.command((0.05, -0.02, 0.0, 0.0, 0.0, 0.0, 0.0), 0.4)
    until(lambda: abs(arm.state().tcp_vel_m_s[0] - 0.05) < 1e-9)
    time.sleep(0.8)
    moved = (pose(controller) - before)[:3]
    np.testing.assert_allclose(moved, (0.02, -0.008, 0.0), atol=2e-3)
    assert arm.state().tcp_vel_m_s == (0.0, 0.0, 0.0)


def test_a_stop_ends_the_motion_at_once(controller, connect):
    arm = connect()
    arm.command((0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 5.0)
    until(lambda: arm.state().tcp_pos_m[0] > 0.405)
    arm.stop()
    until(lambda: arm.state().tcp_vel_m_s[0] == 0.0)
    at = pose(controller)
    time.sleep(0.2)
    np.testing.assert_array_equal(pose(controller), at)


def test_joints_and_the_gripper(controller, connect):
    arm = connect(control="joints")
    arm.command((0.0, 0.2, 0.0, 0.0, 0.0, 0.0, -0.05), 0.5)
    until(lambda: arm.state().joint_pos_rad[1] > -1.41)
    until(lambda: arm.state().gripper_m < 0.03)
    closed = 255 * (1 - arm.state().gripper_m / 0.0425)
    until(lambda: abs(controller.tell("where")["closed"] - closed) < 8)


def test_a_protective_stop_is_told_and_released_standing_still(controller, connect):
    arm = connect()
    arm.command((0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 5.0)
    controller.tell("protective")
    with pytest.raises(HardwareError, match="a protective stop"):
        until(lambda: arm.state() is None)
    at = pose(controller)
    with pytest.raises(HardwareError, match="5 s after the stop"):
        arm.recover()
    time.sleep(0.6)
    arm.recover()
    assert arm.state().tcp_vel_m_s == (0.0, 0.0, 0.0)
    time.sleep(0.2)
    np.testing.assert_array_equal(pose(controller), at)
    arm.command((0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.2)
    until(lambda: arm.state().tcp_pos_m[0] > at[0] + 0.005)


def test_a_cable_that_is_pulled_and_put_in_again(controller, connect):
    arm = connect()
    arm.command((0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.3)
    controller.tell("unplug")
    began_s = time.monotonic()
    with pytest.raises(HardwareError, match=r"went away|does not answer|not read"):
        until(lambda: arm.state() is None)
    assert time.monotonic() - began_s < 2.0
    time.sleep(0.4)
    at = pose(controller)
    time.sleep(0.2)
    np.testing.assert_array_equal(pose(controller), at)
    until(lambda: arm._error is not None)
    with pytest.raises(HardwareError, match=r"no controller of a UR answers|stays stopped"):
        arm.recover()
    controller.tell("plug")
    arm.recover()
    np.testing.assert_allclose(arm.state().tcp_pos_m, at[:3])


def test_bad_settings_and_nobody_there(host):
    with pytest.raises(ConfigError, match="tcp or joints"):
        UniversalRobot(host, control="torque")
    with pytest.raises(HardwareError, match="no controller of a UR answers"):
        UniversalRobot(host).connect()

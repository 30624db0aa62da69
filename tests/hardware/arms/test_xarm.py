"""The xArm's driver: the maker's own package against a controller that speaks its protocol."""

import math
import socket
import time

import numpy as np
import pytest

from hardware.arms.xarm import XArm
from hardware.rotation import columns
from robot_rl.errors import ConfigError, HardwareError
from tests.hardware.arms.test_so101 import until
from tests.hardware.arms.xarm_controller import XArmController


@pytest.fixture
def controller(monkeypatch):
    from xarm.core.config.x_config import XCONF

    made = XArmController()
    monkeypatch.setattr(XCONF.SocketConf, "TCP_CONTROL_PORT", made.port)
    yield made
    made.unplug()


@pytest.fixture
def connect(controller):
    made = []

    def opened(**settings):
        arm = XArm("127.0.0.1", **settings)
        made.append(arm)
        arm.connect()
        return arm

    yield opened
    for arm in made:
        arm.disconnect()


def test_it_tells_where_its_tool_is_in_metres(connect):
    arm = connect()
    state = arm.state()
    np.testing.assert_allclose(state.tcp_pos_m, (0.3, 0.0, 0.2), atol=1e-6)
    # Rolled by half a turn: the tool's x ahead, its y to the right, its z down.
    np.testing.assert_allclose(columns(state.tcp_quat), (1, 0, 0, 0, -1, 0), atol=1e-6)
    assert len(state.joint_pos_rad) == 6
    assert state.gripper_m == pytest.approx(0.043)
    assert socket.getdefaulttimeout() is None, "the package's default is not everybody's"


def test_it_moves_as_fast_as_it_is_told_and_stops_by_itself(controller, connect):
    arm = connect()
    before, _ = controller.now()
    arm.command((0.05, -0.02, 0.0, 0.0, 0.0, 0.5, 0.0), 0.4)
    time.sleep(0.8)
    after, _ = controller.now()
    moved = np.array(after) - before
    np.testing.assert_allclose(moved, (20.0, -8.0, 0.0, 0.0, 0.0, 0.2), atol=1e-3)
    until(lambda: abs(arm.state().tcp_pos_m[0] - 0.32) < 1e-4)
    until(lambda: max(map(abs, arm.state().tcp_vel_m_s)) < 1e-3)


def test_a_stop_ends_the_motion_at_once(controller, connect):
    arm = connect()
    arm.command((0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 5.0)
    until(lambda: arm.state().tcp_pos_m[0] > 0.305)
    assert arm.state().tcp_vel_m_s[0] == pytest.approx(0.05, rel=0.5)
    arm.stop()
    at, _ = controller.now()
    time.sleep(0.2)
    assert controller.now()[0] == at


def test_joints_and_the_gripper(controller, connect):
    arm = connect(control="joints")
    arm.command((0.0, 0.2, 0.0, 0.0, 0.0, 0.0, -0.05), 0.5)
    until(lambda: controller.now()[1][1] > 0.099)
    until(lambda: arm.state().gripper_m < 0.03)
    until(lambda: abs(controller.gripper - 850 * arm.state().gripper_m / 0.043) < 1)
    assert 0.015 < arm.state().gripper_m < 0.03


def test_a_collision_is_told_and_recovered_from_standing_still(controller, connect):
    arm = connect()
    arm.command((0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 5.0)
    controller.fail(31)
    with pytest.raises(HardwareError, match=r"the xArm stopped \(error 31"):
        until(lambda: arm.state() is None)
    at, _ = controller.now()
    arm.recover()
    assert controller.error == 0
    time.sleep(0.2)
    assert controller.now()[0] == at
    arm.command((0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.2)
    until(lambda: controller.now()[0][0] > at[0] + 9)


def test_an_error_at_the_start_is_not_cleared_in_silence(controller):
    controller.fail(2)
    arm = XArm("127.0.0.1")
    with pytest.raises(HardwareError, match="error 2"):
        arm.connect()
    assert controller.error == 2


def test_a_cable_that_is_pulled_and_put_in_again(controller, connect):
    arm = connect()
    arm.command((0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.3)
    controller.unplug()
    began_s = time.monotonic()
    with pytest.raises(HardwareError, match=r"went away|refused|not read"):
        until(lambda: arm.state() is None)
    assert time.monotonic() - began_s < 2.0
    time.sleep(0.4)
    at, _ = controller.now()
    time.sleep(0.2)
    assert controller.now()[0] == at, "its own watchdog stopped it"
    with pytest.raises(HardwareError):
        arm.command((0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.3)
    until(lambda: arm._error is not None)
    with pytest.raises(HardwareError, match="no xArm controller answers"):
        arm.recover()
    controller.plug_in()
    arm.recover()
    assert controller.now()[0] == at
    assert arm.state().tcp_pos_m[0] == pytest.approx(at[0] / 1000, abs=1e-5)


def test_a_mute_controller_is_not_waited_for(controller, monkeypatch):
    monkeypatch.setattr("hardware.arms.xarm._CONNECT_S", 0.5)
    controller.mute = True
    began_s = time.monotonic()
    with pytest.raises(HardwareError, match="said nothing"):
        XArm("127.0.0.1").connect()
    assert time.monotonic() - began_s < 10.0


def test_bad_settings():
    with pytest.raises(ConfigError, match="is no mode"):
        XArm("127.0.0.1", control="torque")
    with pytest.raises(ConfigError, match="5, 6 or 7"):
        XArm("127.0.0.1", joints=8)
    assert XArm("127.0.0.1", joints=7).features.joint_high_rad == (2 * math.pi,) * 7

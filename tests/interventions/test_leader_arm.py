"""A leader arm in front of a follower: no jump at the takeover, then every displacement."""

import dataclasses
import math
import time

import numpy as np
import pytest

from hardware.arm import ArmFeatures, ArmState
from robot_rl.errors import InterfaceMismatchError
from robot_rl.interventions.device import Moment
from robot_rl.interventions.leader_arm import LeaderArm
from robot_rl.interventions.operator import OperatorState
from tests.conftest import make_interface
from tests.interventions.served import MIXED, arm_interface, moment


class HandMovedArm:
    """An `Arm` whose pose is wherever a hand has put it."""

    features = ArmFeatures(
        name="leader",
        axes=(),
        joint_names=("elbow",),
        joint_low_rad=(-3.0,),
        joint_high_rad=(3.0,),
    )

    def __init__(self) -> None:
        self.pose = np.array([0.1, 0.2, 0.3, 0.01])
        self.yaw_rad = self.elbow_rad = 0.0

    def state(self) -> ArmState:
        return ArmState(
            joint_pos_rad=(self.elbow_rad,),
            joint_vel_rad_s=(0.0,),
            tcp_pos_m=tuple(self.pose[:3]),
            tcp_quat=(math.cos(self.yaw_rad / 2), 0.0, 0.0, math.sin(self.yaw_rad / 2)),
            tcp_vel_m_s=(0, 0, 0),
            stamp_s=time.time(),
            gripper_m=float(self.pose[3]),
        )

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def command(self, velocity, period_s) -> None: ...
    def stop(self) -> None: ...
    def recover(self) -> None: ...


class Pedal:
    axes = ()

    def start(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def leader():
    operator, arm = OperatorState(silence_s=1.0), HandMovedArm()
    device = LeaderArm(arm, operator, Pedal(), arm_interface())
    device.start()
    return device, arm, operator


def at(*pose: float) -> Moment:
    axes = ("tcp_x", "tcp_y", "tcp_z", "gripper")
    return moment(arm_interface(), dict(zip(axes, pose, strict=True)))


FOLLOWER = (0.4, 0.0, 0.1, 0.04)


def test_a_takeover_far_from_the_follower_moves_nothing(leader):
    device, _, operator = leader
    assert not device.read(at(*FOLLOWER)).held
    operator.set(True, {})
    reading = device.read(at(*FOLLOWER))
    assert reading.held
    np.testing.assert_allclose(reading.action, np.zeros(4), atol=1e-6)


def test_the_follower_goes_where_the_leader_goes_from_there(leader):
    device, arm, operator = leader
    operator.set(True, {})
    device.read(at(*FOLLOWER))
    arm.pose += [0.015, -0.3, 0.0, -0.01]
    reading = device.read(at(*FOLLOWER))
    # 15 mm of 30, further than one step reaches, nothing, and 10 of 20 mm of closing.
    np.testing.assert_allclose(reading.action, [0.5, -1.0, 0.0, 0.5], atol=1e-5)
    # The follower has arrived: nothing is left to do.
    there = (0.415, -0.3, 0.1, 0.03)
    np.testing.assert_allclose(device.read(at(*there)).action, np.zeros(4), atol=1e-5)


def test_letting_go_opens_the_clutch(leader):
    device, arm, operator = leader
    operator.set(True, {})
    device.read(at(*FOLLOWER))
    operator.set(False, {})
    device.read(at(*FOLLOWER))
    arm.pose += 0.2
    operator.set(True, {})
    np.testing.assert_allclose(device.read(at(*FOLLOWER)).action, np.zeros(4), atol=1e-6)


KINDS = dataclasses.replace(MIXED, actions=MIXED.actions[:3])


def test_every_kind_of_field_follows_the_leader():
    operator, arm = OperatorState(silence_s=1.0), HandMovedArm()
    device = LeaderArm(arm, operator, Pedal(), KINDS)
    operator.set(True, {})
    arm.yaw_rad = 3.1
    start = {"tcp_rz": -3.0, "tcp_x": 0.4, "joint/elbow": -0.5}
    # The elbow is turned by -2 rad per unit around 0.5 rad: at -0.5 rad the action is 0.5.
    np.testing.assert_allclose(device.read(moment(KINDS, start)).action, [0, 0, 0.5], atol=1e-6)
    arm.yaw_rad += 0.075  # over the half turn at which the angle jumps
    arm.pose[0] += 0.01
    arm.elbow_rad += 0.3
    found = device.read(moment(KINDS, start)).action
    # Half of 0.15 rad; 1 cm in a tenth of a second, of 0.2 m/s; 0.15 units less.
    np.testing.assert_allclose(found, [0.5, 0.5, 0.35], atol=1e-5)
    there = {"tcp_rz": -2.925, "tcp_x": 0.41, "joint/elbow": -0.2}
    np.testing.assert_allclose(device.read(moment(KINDS, there)).action, [0, 0, 0.35], atol=1e-5)


def test_what_the_leader_does_not_tell_is_refused_with_both_lists():
    told = "acts on a0, a1; the leader arm leader moves tcp_x, .*, gripper, joint/elbow"
    with pytest.raises(InterfaceMismatchError, match=told):
        LeaderArm(HandMovedArm(), OperatorState(), Pedal(), make_interface())


def test_a_follower_that_does_not_tell_where_it_is_is_refused(leader):
    device, _, operator = leader
    operator.set(True, {})
    with pytest.raises(InterfaceMismatchError, match="does not measure tcp_x, tcp_y, tcp_z"):
        device.read(moment(arm_interface(), {"gripper": 0.01}))

"""A leader arm in front of a follower: no jump at the takeover, then every displacement."""

import time

import numpy as np
import pytest

from hardware.arm import ArmFeatures, ArmState
from robot_rl.errors import InterfaceMismatchError
from robot_rl.interventions.device import Moment
from robot_rl.interventions.leader_arm import LeaderArm
from robot_rl.interventions.operator import STILL, OperatorState
from robot_rl.types import PROPRIO
from tests.conftest import make_interface
from tests.interventions.served import arm_interface


class HandMovedArm:
    """An `Arm` whose pose is wherever a hand has put it."""

    features = ArmFeatures(
        name="leader", axes=(), joint_names=(), joint_low_rad=(), joint_high_rad=()
    )

    def __init__(self) -> None:
        self.pose = np.array([0.1, 0.2, 0.3, 0.01])

    def state(self) -> ArmState:
        return ArmState(
            joint_pos_rad=(),
            joint_vel_rad_s=(),
            tcp_pos_m=tuple(self.pose[:3]),
            tcp_quat=(1.0, 0.0, 0.0, 0.0),
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
    def start(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def leader():
    operator, arm = OperatorState(silence_s=1.0), HandMovedArm()
    device = LeaderArm(arm, operator, Pedal(), arm_interface())
    device.start()
    return device, arm, operator


def moment(*pose: float) -> Moment:
    obs = {PROPRIO: np.array(pose, np.float32)}
    return Moment(obs=obs, policy_action=np.zeros(4, np.float32))


FOLLOWER = (0.4, 0.0, 0.1, 0.04)


def test_a_takeover_far_from_the_follower_moves_nothing(leader):
    device, _, operator = leader
    assert not device.read(moment(*FOLLOWER)).held
    operator.set(True, STILL)
    reading = device.read(moment(*FOLLOWER))
    assert reading.held
    np.testing.assert_allclose(reading.action, np.zeros(4), atol=1e-6)


def test_the_follower_goes_where_the_leader_goes_from_there(leader):
    device, arm, operator = leader
    operator.set(True, STILL)
    device.read(moment(*FOLLOWER))
    arm.pose += [0.015, -0.3, 0.0, -0.01]
    reading = device.read(moment(*FOLLOWER))
    # 15 mm of 30, further than one step reaches, nothing, and 10 of 20 mm of closing.
    np.testing.assert_allclose(reading.action, [0.5, -1.0, 0.0, 0.5], atol=1e-5)
    # The follower has arrived: nothing is left to do.
    there = (0.415, -0.3, 0.1, 0.03)
    np.testing.assert_allclose(device.read(moment(*there)).action, np.zeros(4), atol=1e-5)


def test_letting_go_opens_the_clutch(leader):
    device, arm, operator = leader
    operator.set(True, STILL)
    device.read(moment(*FOLLOWER))
    operator.set(False, STILL)
    device.read(moment(*FOLLOWER))
    arm.pose += 0.2
    operator.set(True, STILL)
    np.testing.assert_allclose(device.read(moment(*FOLLOWER)).action, np.zeros(4), atol=1e-6)


def test_a_follower_without_a_tool_pose_is_refused():
    with pytest.raises(InterfaceMismatchError, match="a leader arm gives displacements"):
        LeaderArm(HandMovedArm(), OperatorState(), Pedal(), make_interface())

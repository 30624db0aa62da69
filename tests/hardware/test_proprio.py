"""An arm's state as the policy's proprio."""

import dataclasses

import numpy as np
import pytest

from hardware.arm import ArmState
from hardware.proprio import ProprioReader
from robot_rl.errors import InterfaceMismatchError
from robot_rl.types import TCP_POS, TCP_POS_FROM_START, ProprioField

STATE = ArmState(
    joint_pos_rad=(0.1, 0.2),
    joint_vel_rad_s=(0.3, 0.4),
    tcp_pos_m=(0.5, 0.6, 0.7),
    tcp_quat=(1.0, 0.0, 0.0, 0.0),
    tcp_vel_m_s=(0.01, 0.02, 0.03),
    gripper_m=0.04,
    stamp_s=1.0,
)


def field(name: str, size: int) -> ProprioField:
    return ProprioField(name=name, unit="m", size=size)


def at(*tcp_pos_m: float) -> ArmState:
    return dataclasses.replace(STATE, tcp_pos_m=tcp_pos_m)


def test_fields_come_in_the_policys_order():
    reader = ProprioReader((field("gripper_opening", 1), field("joint_vel", 2), field(TCP_POS, 3)))
    expected = np.array([0.04, 0.3, 0.4, 0.5, 0.6, 0.7], np.float32)
    np.testing.assert_array_equal(reader.read(STATE), expected)


def test_a_relative_position_counts_from_the_first_state_of_each_episode():
    reader = ProprioReader((field(TCP_POS_FROM_START, 3), field(TCP_POS, 3)))
    np.testing.assert_allclose(reader.read(STATE), [0, 0, 0, 0.5, 0.6, 0.7], rtol=1e-6)
    moved = at(0.6, 0.6, 0.5)
    np.testing.assert_allclose(reader.read(moved)[:3], [0.1, 0, -0.2], atol=1e-7)
    reader.begin_episode()
    np.testing.assert_array_equal(reader.read(moved)[:3], np.zeros(3))
    np.testing.assert_allclose(reader.read(STATE)[:3], [-0.1, 0, 0.2], atol=1e-7)


def test_what_no_arm_measures_is_refused_with_the_choices():
    with pytest.raises(InterfaceMismatchError, match=r"gripper_force; it offers tcp_pos, tcp_pos_"):
        ProprioReader((field("gripper_force", 1),))
    with pytest.raises(InterfaceMismatchError, match=r"joint_pos has 2 numbers here; .* takes 6"):
        ProprioReader((field("joint_pos", 6),)).read(STATE)

"""Messages: filled, read back, paired and joined."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import Image, JointState

from hardware.arm import ArmFeatures, ArmState
from hardware.camera import CameraFeatures
from hardware.ros_messages import CommandReader, StateAssembler, to_image, to_seconds
from robot_rl.axes import Axis, moves
from robot_rl.errors import HardwareError
from robot_rl_nodes.camera_node import camera_info
from robot_rl_nodes.messages import (
    ImageMessage,
    to_joint_state,
    to_pose,
    to_time,
    to_trajectory,
    to_twist,
)

FEATURES = ArmFeatures(
    name="a", axes=(), joint_names=("one", "two"), joint_low_rad=(-1, -1), joint_high_rad=(1, 1)
)
STATE = ArmState(
    joint_pos_rad=(0.1, 0.2),
    joint_vel_rad_s=(0.3, 0.4),
    tcp_pos_m=(0.5, 0.6, 0.7),
    tcp_quat=(0.5, -0.5, 0.5, 0.5),
    tcp_vel_m_s=(0.01, 0.02, 0.03),
    tcp_rot_vel_rad_s=(0.1, 0.2, 0.3),
    gripper_m=0.04,
    stamp_s=1234.5,
)


@given(st.floats(0, 4e9))
def test_stamps_survive_to_the_microsecond(stamp_s):
    assert to_seconds(to_time(stamp_s)) == pytest.approx(stamp_s, abs=1e-6)


def test_an_image_message_carries_every_new_frame():
    features = CameraFeatures(name="c", height=6, width=8, rate_hz=10.0)
    message = ImageMessage(features)
    rng = np.random.default_rng(0)
    for stamp_s in (1.0, 2.0):
        frame = rng.integers(0, 256, (6, 8, 3), np.uint8)
        sent = message.fill(frame, stamp_s)
        np.testing.assert_array_equal(to_image(sent), frame)
        assert to_seconds(sent.header.stamp) == stamp_s


def test_padding_and_byte_order_of_images_are_honoured():
    message = ImageMessage(CameraFeatures(name="c", height=2, width=2, rate_hz=1.0)).message
    message.step, message.encoding = 8, "bgr8"
    message.data = bytes([1, 2, 3, 4, 5, 6, 99, 99, 7, 8, 9, 10, 11, 12, 99, 99])
    assert to_image(message).tolist() == [[[3, 2, 1], [6, 5, 4]], [[9, 8, 7], [12, 11, 10]]]
    message.encoding = "mono8"
    with pytest.raises(HardwareError, match="mono8"):
        to_image(message)


@st.composite
def images(draw: st.DrawFn) -> Image:
    """Some whole, most of them not."""
    height, width, step = (draw(st.integers(0, 9)) for _ in range(3))
    message = Image(height=height, width=width, step=draw(st.sampled_from([step, 3 * width])))
    message.encoding = draw(st.sampled_from(["rgb8", "bgr8", "mono8", "rgba8", "", "RGB8"]))
    whole = st.just(message.height * message.step)
    message.data = bytes(draw(st.one_of(whole, st.integers(0, 300))))
    return message


@given(images())
def test_any_image_is_read_whole_or_refused(message):
    whole = (
        message.encoding in ("rgb8", "bgr8")
        and min(message.height, message.width) > 0
        and message.step >= 3 * message.width
        and len(message.data) == message.height * message.step
    )
    try:
        image = to_image(message)
    except HardwareError:
        assert not whole
        return
    assert whole
    assert (image.dtype, image.shape) == (np.uint8, (message.height, message.width, 3))


def test_an_image_cut_short_says_what_it_has():
    message = ImageMessage(CameraFeatures(name="c", height=6, width=8, rate_hz=1.0)).message
    message.data = bytes(100)
    with pytest.raises(HardwareError, match="of 6x8 pixels with 24 bytes a row has 100 bytes"):
        to_image(message)


RZ, GRIPPER = Axis(name="tcp_rz", unit="rad"), Axis(name="gripper", unit="m")
ELBOW = Axis(name="joint/elbow", unit="rad", by="level")
THRUST = Axis(name="thrust", unit="N", by="level", hold=5.0)


def test_a_command_is_a_twist_and_the_trajectory_of_the_same_stamp():
    reader = CommandReader((RZ, Axis(name="tcp_x", unit="m"), GRIPPER))
    twist = ((0.1, 0.0, 0.0), (0.0, 0.0, 0.7))
    assert reader.values(to_twist(*twist, 5.0, "base")) == (0.7, 0.1, 0.0)
    reader.joints(to_trajectory([GRIPPER], [-0.04], [0.03], 0.1, 6.0))
    assert reader.values(to_twist(*twist, 6.0, "base")) == (0.7, 0.1, -0.04)
    assert reader.values(to_twist(*twist, 7.0, "base")) == (0.7, 0.1, 0.0)
    assert reader.unpaired == 2


def test_levels_hold_where_their_trajectory_is_missing():
    reader = CommandReader((RZ, ELBOW, THRUST))
    twist = ((0.0,) * 3, (0.0, 0.0, 0.7))
    assert reader.values(to_twist(*twist, 5.0, "base")) is None
    reader.joints(to_trajectory([ELBOW, THRUST], [1.2, 6.5], [1.0, 5.0], 0.1, 6.0))
    values = reader.values(to_twist(*twist, 6.0, "base"))
    assert values == (0.7, 1.2, 6.5)
    assert moves((RZ, ELBOW, THRUST), values)
    short = to_trajectory([ELBOW], [1.2], [1.0], 0.1, 7.0)
    reader.joints(short)
    assert reader.values(to_twist(*twist, 7.0, "base")) is None
    short.points.clear()
    assert reader.values(to_twist(*twist, 7.0, "base")) is None


def test_a_joint_that_the_arm_does_not_have_is_one_clear_line():
    reader = CommandReader((RZ, GRIPPER))
    reader.joints(to_trajectory([ELBOW], [1.0], [1.0], 0.1, 6.0))
    with pytest.raises(HardwareError, match="a command moves elbow; the arm has tcp_rz, gripper"):
        reader.values(to_twist((0.0,) * 3, (0.0,) * 3, 6.0, "base"))


def test_axes_are_told_where_to_stand_how_fast_and_when():
    message = to_trajectory([GRIPPER, ELBOW], [-0.2, 1.2], [0.03, 1.0], 0.1, 1.0)
    (point,) = message.points
    assert message.joint_names == ["gripper", "elbow"]
    assert list(point.positions) == pytest.approx([0.01, 1.2])
    assert list(point.velocities) == pytest.approx([-0.2, 0.0])
    assert point.time_from_start.nanosec == 100_000_000


def _parts(state: ArmState) -> dict[str, Any]:
    return {
        "joints": to_joint_state(state, FEATURES),
        "pose": to_pose(state, "base"),
        "twist": to_twist(state.tcp_vel_m_s, state.tcp_rot_vel_rad_s, state.stamp_s, "base"),
    }


@pytest.mark.parametrize("order", [("joints", "pose", "twist"), ("twist", "joints", "pose")])
def test_a_state_is_whole_once_its_three_parts_have_come(order):
    assembler = StateAssembler(FEATURES)
    parts = _parts(STATE)
    assert [assembler.offer(kind, parts[kind]) for kind in order] == [None, None, STATE]


def test_states_that_never_become_whole_are_dropped_and_counted():
    assembler = StateAssembler(FEATURES)
    held = []
    for i in range(1000):
        parts = _parts(dataclasses.replace(STATE, stamp_s=10.0 + i))
        assembler.offer("joints", parts["joints"])
        assembler.offer("pose", parts["pose"])
        late = _parts(dataclasses.replace(STATE, stamp_s=5.0 + i + 0.5))
        assembler.offer("twist", late["twist"])
        held.append(len(assembler._parts))
    assert max(held) <= 33
    assert set(assembler.dropped) == {"twist", "joints and pose"}
    assert assembler.dropped.total() == 2000 - held[-1]


def test_a_whole_state_ends_the_wait_for_older_ones():
    assembler = StateAssembler(FEATURES)
    assembler.offer("joints", _parts(STATE)["joints"])
    later = dataclasses.replace(STATE, stamp_s=STATE.stamp_s + 1)
    parts = _parts(later).items()
    assert [assembler.offer(kind, part) for kind, part in parts][-1] == later
    assert dict(assembler.dropped) == {"pose and twist": 1}


def test_joint_states_without_velocities_are_one_clear_line():
    parts = _parts(STATE)
    parts["joints"].velocity = []
    assembler = StateAssembler(FEATURES)
    with pytest.raises(HardwareError, match="3 names, 3 positions and 0 velocities"):
        [assembler.offer(kind, part) for kind, part in parts.items()]


def test_joints_are_found_by_name_and_missing_ones_are_named():
    joints = to_joint_state(STATE, FEATURES)
    shuffled = JointState(header=joints.header, name=["gripper", "other", "two", "one"])
    shuffled.position, shuffled.velocity = [0.04, 9.0, 0.2, 0.1], [0.0, 9.0, 0.4, 0.3]
    parts = {**_parts(STATE), "joints": shuffled}
    assembler = StateAssembler(FEATURES)
    assert [assembler.offer(kind, part) for kind, part in parts.items()][-1] == STATE
    strict = StateAssembler(dataclasses.replace(FEATURES, joint_names=("elbow",)))
    *first, (last_kind, last) = parts.items()
    assert [strict.offer(kind, part) for kind, part in first] == [None, None]
    with pytest.raises(HardwareError, match="elbow is not among the joints"):
        strict.offer(last_kind, last)


def test_what_is_neither_tool_nor_joint_nor_gripper_is_measured_too():
    features = dataclasses.replace(FEATURES, axes=(RZ, THRUST))
    state = dataclasses.replace(STATE, other={"thrust": 4.5})
    assembler = StateAssembler(features)
    parts = _parts(state) | {"joints": to_joint_state(state, features)}
    assert [assembler.offer(kind, part) for kind, part in parts.items()][-1] == state
    assert features.reading(state).position[1] == 4.5


def test_camera_info_puts_the_field_of_view_into_the_focal_length():
    info = camera_info(CameraFeatures(name="c", height=480, width=640, rate_hz=30.0, fovy_deg=90.0))
    assert info.k[0] == pytest.approx(240.0)
    assert (info.k[2], info.k[5]) == (320.0, 240.0)

"""Alignment by header stamps, on hand-made messages."""

import dataclasses
import json

import numpy as np
import pytest

from hardware.announced import RobotFeatures
from hardware.arm import ArmFeatures, ArmState
from robot_rl.axes import Axis
from robot_rl.episodes import bag_reader
from robot_rl.episodes.bag_reader import (
    _align,
    _Applied,
    _finish,
    _Messages,
    _nearest,
    _within,
)
from robot_rl.errors import CorruptFileError
from robot_rl.types import (
    TCP_POS_FROM_START,
    ActionField,
    CameraField,
    Interface,
    ProprioField,
)

INTERFACE = Interface(
    task="arm/reach",
    control_rate_hz=10.0,
    proprio=(),
    cameras=(CameraField(name="front", height=4, width=4, rate_hz=10.0),),
    actions=(ActionField(name="tcp_x", unit="m", scale=0.03, kind="displacement", hold=0.0),),
)


ARM = ArmFeatures(
    name="a",
    axes=(Axis(name="tcp_x", unit="m"),),
    joint_names=(),
    joint_low_rad=(),
    joint_high_rad=(),
)

NOTED = {"robot": json.dumps(RobotFeatures(arm=ARM, control_rate_hz=10.0).to_json())}


def test_a_bag_that_does_not_say_which_arm_it_is_of_is_refused(monkeypatch):
    monkeypatch.setattr(bag_reader, "custom_data", lambda _: {"robot": '""'})
    with pytest.raises(CorruptFileError, match="had not heard /arm/features"):
        bag_reader.read_recording(None, INTERFACE, {})


def test_a_command_counts_from_where_the_axes_stood():
    """A level of 0.43 m, commanded at 0.4 m, is the whole displacement of 3 cm."""
    axes = (Axis(name="tcp_x", unit="m", by="level"),)
    stamps_s = [10.0, 10.1]
    states = [dataclasses.replace(s, tcp_pos_m=(0.5, 0, 0)) for s in _in_motion(0).states]
    messages = _Messages(
        frames={"front": [(t, np.zeros((4, 4, 3), np.uint8)) for t in stamps_s]},
        states=states,
        applied=[_Applied(10.01, (0.43,), (0.4,), "human")],
    )
    (part,) = _align(messages, INTERFACE, dataclasses.replace(ARM, axes=axes))
    np.testing.assert_allclose(part.steps[0].action, [1.0], atol=1e-5)
    assert part.steps[0].human_action is not None


def test_the_nearest_item_is_found_on_either_side_and_not_beyond_the_skew():
    items = [1.0, 2.0, 2.1, 3.0]
    found = [_nearest(items, at_s, float) for at_s in (0.96, 2.04, 2.06, 3.04, 2.5, 9.0)]
    assert found == [1.0, 2.0, 2.1, 3.0, None, None]
    assert _nearest([], 1.0, float) is None


def test_the_last_command_of_a_period_counts():
    told = [(1.0, 1.0, "policy"), (1.05, 2.0, "human"), (1.1, 3.0, "policy")]
    applied = [_Applied(stamp_s, (x,), (0.0,), who) for stamp_s, x, who in told]
    assert _within(applied, 1.0, 1.1) == applied[1]
    assert _within(applied, 1.1, 1.2) == applied[2]
    assert _within(applied, 1.2, 1.3) is None
    assert _within(applied, 0.5, 1.0) is None


def test_a_gap_ends_one_recording_and_begins_another():
    stamps_s = [10.0, 10.1, 10.2, 10.9, 11.0, 11.1]
    frames = [(t, np.full((4, 4, 3), i, np.uint8)) for i, t in enumerate(stamps_s)]
    applied = [_Applied(t + 0.01, (0.15,), (0.4,), "policy") for t in stamps_s]
    parts = _align(_Messages(frames={"front": frames}, applied=applied), INTERFACE, ARM)
    assert [len(part.obs) for part in parts] == [3, 3]
    assert [len(part.steps) for part in parts] == [2, 2]
    assert parts[1].obs[0]["image/front"][0, 0, 0] == 3
    np.testing.assert_allclose(parts[0].steps[0].action, [0.5])
    _finish(parts[0], None)
    assert (parts[0].steps[-1].terminated, parts[0].steps[-1].truncated) == (False, True)


def test_without_a_camera_the_arms_states_pace():
    messages = dataclasses.replace(_in_motion(first_command=0), frames={})
    position = ProprioField(name="tcp_pos", unit="m", size=3)
    (part,) = _align(messages, dataclasses.replace(INTERFACE, cameras=(), proprio=(position,)), ARM)
    assert [obs["proprio"][0] for obs in part.obs] == pytest.approx(
        [0.4 + 0.015 * i for i in range(12)], abs=1e-6
    )
    assert len(part.steps) == 11


def _in_motion(first_command: int) -> _Messages:
    """0.15 m/s along x from the command of frame `first_command` on; one frame is lost at 0.8 s."""
    stamps_s = [10.0 + 0.1 * i for i in range(12)]
    moved_s = [max(0.0, 0.1 * (i - first_command)) for i in range(12)]
    return _Messages(
        frames={"front": [(t, np.zeros((4, 4, 3), np.uint8)) for t in np.delete(stamps_s, 8)]},
        states=[
            ArmState(
                joint_pos_rad=(),
                joint_vel_rad_s=(),
                tcp_pos_m=(0.4 + 0.15 * d, 0.0, 0.1),
                tcp_quat=(1.0, 0.0, 0.0, 0.0),
                tcp_vel_m_s=(0.15 * (i > first_command), 0.0, 0.0),
                stamp_s=t,
            )
            for i, (t, d) in enumerate(zip(stamps_s, moved_s, strict=True))
        ],
        applied=[
            _Applied(t + 0.01, (0.15,), (0.4,), "policy" if i >= first_command else "nobody")
            for i, t in enumerate(stamps_s)
        ],
    )


RELATIVE = dataclasses.replace(
    INTERFACE, proprio=(ProprioField(name=TCP_POS_FROM_START, unit="m", size=3),)
)


def test_a_relative_pose_counts_from_the_frame_before_the_first_command(monkeypatch):
    monkeypatch.setattr(bag_reader, "_read", lambda *_: _in_motion(first_command=3))
    monkeypatch.setattr(bag_reader, "custom_data", lambda _: NOTED)
    first, last = bag_reader.read_recording(None, RELATIVE, {})
    assert [obs["proprio"][0] for obs in first.obs] == pytest.approx(
        [0.0, 0.015, 0.03, 0.045, 0.06], abs=1e-6
    )
    # The lost frame cuts the bag in two, but the episode began where it began.
    assert last.obs[0]["proprio"][0] == pytest.approx(0.09, abs=1e-6)


def test_a_bag_that_does_not_hold_the_start_is_refused_for_a_relative_pose(monkeypatch):
    monkeypatch.setattr(bag_reader, "_read", lambda *_: _in_motion(first_command=-1))
    monkeypatch.setattr(bag_reader, "custom_data", lambda _: NOTED)
    with pytest.raises(CorruptFileError, match="begins in the middle of a motion"):
        bag_reader.read_recording(None, RELATIVE, {})
    assert bag_reader.read_recording(None, INTERFACE, {})


def test_every_part_of_a_cut_bag_is_ended(monkeypatch):
    stamps_s = [10.0, 10.1, 10.9, 11.0]
    frames = [(t, np.zeros((4, 4, 3), np.uint8)) for t in stamps_s]
    applied = [_Applied(t + 0.01, (0.15,), (0.4,), "policy") for t in stamps_s]
    messages = _Messages(frames={"front": frames}, applied=applied)
    monkeypatch.setattr(bag_reader, "_read", lambda *_: messages)
    monkeypatch.setattr(bag_reader, "custom_data", lambda _: {**NOTED, "success": "true"})
    first, last = bag_reader.read_recording(None, INTERFACE, {})
    assert (first.steps[-1].truncated, first.success) == (True, None)
    assert (last.steps[-1].terminated, last.steps[-1].reward, last.success) == (True, 1.0, True)


def test_a_segment_is_named_by_where_it_begins_also_after_the_second_takeover(monkeypatch):
    sources = ["policy", "policy", "human", "human", "human", "policy", "policy"]
    stamps_s = [10.0 + 0.1 * i for i in range(8)]
    frames = [(t, np.zeros((4, 4, 3), np.uint8)) for t in stamps_s]
    applied = [
        _Applied(t + 0.01, (0.15,), (0.4,), source)
        for t, source in zip(stamps_s, sources, strict=False)
    ]
    messages = _Messages(frames={"front": frames}, applied=applied)
    monkeypatch.setattr(bag_reader, "_read", lambda *_: messages)
    monkeypatch.setattr(bag_reader, "custom_data", lambda _: NOTED)
    (recording,) = bag_reader.read_recording(None, INTERFACE, {})
    assert [step.source for step in recording.steps] == sources
    assert [step.segment for step in recording.steps] == [0, 0, 2, 2, 2, 5, 5]

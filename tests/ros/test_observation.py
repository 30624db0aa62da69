"""The slot between callbacks and inference: newest only, of one moment, at the control rate."""

import dataclasses

import numpy as np
import pytest

from hardware.camera import Frame
from robot_rl.errors import InterfaceMismatchError
from robot_rl.types import TCP_POS_FROM_START, CameraField, ProprioField
from robot_rl_nodes.observation import ObservationSlot
from tests.conftest import make_interface
from tests.ros.test_messages import STATE

INTERFACE = make_interface(cameras=2, proprio=0)


def frame(stamp_s: float, value: int = 0) -> Frame:
    return Frame(image=np.full((36, 36, 3), value, np.uint8), stamp_s=stamp_s)


def state(stamp_s: float):
    return dataclasses.replace(STATE, stamp_s=stamp_s)


def test_an_observation_needs_all_cameras_and_a_state_of_the_same_moment():
    slot = ObservationSlot(INTERFACE, max_skew_s=0.03)
    slot.frame("cam0", frame(10.0))
    assert slot.take(0.01) is None
    slot.frame("cam1", frame(9.9))
    slot.state(state(10.01))
    assert slot.take(0.01) is None  # the second camera is a frame behind
    slot.frame("cam1", frame(10.0, 7))
    taken = slot.take(0.01)
    assert taken.stamp_s == 10.0
    assert taken.state.stamp_s == 10.01
    assert taken.obs["image/cam1"][0, 0, 0] == 7


def test_an_episode_begins_with_a_frame_and_a_pose_of_its_own():
    fields = (ProprioField(name=TCP_POS_FROM_START, unit="m", size=3),)
    interface = dataclasses.replace(make_interface(), proprio=fields)
    slot = ObservationSlot(interface, max_skew_s=0.03)

    def see(stamp_s: float, tcp_x_m: float) -> tuple[float, bool] | None:
        slot.state(dataclasses.replace(STATE, stamp_s=stamp_s, tcp_pos_m=(tcp_x_m, 0.6, 0.7)))
        slot.frame("cam0", frame(stamp_s))
        taken = slot.take(0.0)
        return taken and (round(float(taken.obs["proprio"][0]), 6), taken.first)

    assert [see(10.0, 0.5), see(10.1, 0.53)] == [(0.0, True), (0.03, False)]
    slot.begin_episode(10.25)
    assert see(10.2, 0.56) is None  # exposed before the episode began
    assert [see(10.3, 0.4), see(10.4, 0.38)] == [(0.0, True), (-0.02, False)]


def test_without_a_camera_the_arm_paces():
    slot = ObservationSlot(make_interface(cameras=0), max_skew_s=0.03)
    assert slot.take(0.01) is None
    taken = []
    for i in range(31):
        slot.state(state(10.0 + i / 30))
        found = slot.take(0.0)
        taken += [found.stamp_s] if found else []
    assert np.allclose(np.diff(taken), 0.1, atol=1e-6)
    assert len(taken) == 11
    slot.begin_episode(11.05)
    slot.state(state(11.04))
    assert slot.take(0.01) is None  # measured before the episode began
    slot.state(state(11.2))
    assert slot.take(0.01).first


def test_frames_are_cut_as_the_policy_wants_and_no_others_taken():
    camera = CameraField(
        name="cam0",
        height=18,
        width=18,
        rate_hz=10.0,
        crop=(0, 4, 36, 36),
        source_height=36,
        source_width=48,
    )
    interface = dataclasses.replace(make_interface(proprio=0), cameras=(camera,))
    slot = ObservationSlot(interface, max_skew_s=0.03)
    image = np.zeros((36, 48, 3), np.uint8)
    image[:, 4:40] = 90
    slot.state(state(10.0))
    slot.frame("cam0", Frame(image=image, stamp_s=10.0))
    obs = slot.take(0.01).obs["image/cam0"]
    assert obs.shape == (18, 18, 3)
    assert set(obs.ravel()) == {90}
    for stamp_s, shape in ((10.2, (18, 18, 3)), (10.4, (48, 36, 3))):
        slot.state(state(stamp_s))
        slot.frame("cam0", Frame(image=np.zeros(shape, np.uint8), stamp_s=stamp_s))
        with pytest.raises(
            InterfaceMismatchError, match="the policy takes 36x48, of which it cuts"
        ):
            slot.take(0.01)


def test_an_observation_knows_the_episode_it_was_taken_in():
    slot = ObservationSlot(make_interface(proprio=0), max_skew_s=0.03)
    numbers = []
    for stamp_s in (10.0, 20.0):
        slot.begin_episode(stamp_s)
        slot.state(state(stamp_s))
        slot.frame("cam0", frame(stamp_s))
        taken = slot.take(0.0)
        numbers += [taken and taken.episode]
    assert numbers == [1, slot.episode] == [1, 2]


def test_only_the_newest_frame_counts_and_only_once():
    slot = ObservationSlot(INTERFACE, max_skew_s=0.03)
    for stamp_s, value in ((10.0, 1), (10.1, 2), (10.2, 3)):
        for camera in ("cam0", "cam1"):
            slot.frame(camera, frame(stamp_s, value))
        slot.state(state(stamp_s))
    taken = slot.take(0.01)
    assert (taken.stamp_s, taken.obs["image/cam0"][0, 0, 0]) == (10.2, 3)
    assert slot.take(0.01) is None


def test_a_faster_camera_is_thinned_to_the_control_rate():
    slot = ObservationSlot(INTERFACE, max_skew_s=0.03)
    period_s = 1.0 / INTERFACE.control_rate_hz
    taken = []
    for i in range(31):
        stamp_s = 10.0 + i * period_s / 3
        slot.state(state(stamp_s))
        for camera in ("cam0", "cam1"):
            slot.frame(camera, frame(stamp_s))
        found = slot.take(0.0)
        taken += [found.stamp_s] if found else []
    assert np.allclose(np.diff(taken), period_s, atol=1e-6)
    assert len(taken) == 11

"""Who commands, and what stops the arm."""

import numpy as np
import pytest

from robot_rl.deploy.supervisor import HUMAN, POLICY
from robot_rl.deploy.verdicts import ArmReading, Reason
from tests.deploy.scene import GO, STILL, Scene, why


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_healthy_policy_moves_and_ticks_stay_quiet(scene):
    for _ in range(20):
        assert scene.step().applied == GO
        scene.later(0.05)
        assert scene.supervisor.tick(scene.now) is None
        scene.later(-0.05)
    assert why(scene) == []
    assert scene.supervisor.source == POLICY


def test_silence_in_motion_latches_and_silence_after_a_hold_does_not(scene):
    scene.step(STILL)
    scene.later(5.0)
    assert scene.supervisor.tick(scene.now).hold
    assert why(scene) == []
    scene.see()
    scene.step(GO)
    scene.later(0.16)
    scene.see()
    assert scene.supervisor.tick(scene.now).hold
    assert why(scene) == [Reason.POLICY_SILENT]
    assert scene.step().hold


@pytest.mark.parametrize("values", [(), (0.1,), (0.1,) * 5])
def test_a_command_that_does_not_fit_the_axes_latches_and_is_told_whole(scene, values):
    scene.step(GO)
    verdict = scene.policy(values)
    assert verdict.hold
    assert why(scene) == [Reason.MALFORMED]
    assert len(verdict.applied) == 4


def test_a_policy_that_falls_silent_for_want_of_pictures_is_not_the_cause(scene):
    scene.step(GO)
    scene.later(0.16)
    assert scene.supervisor.tick(scene.now).hold
    assert why(scene) == [Reason.STALE_OBSERVATION]


def test_a_human_has_the_arm_while_the_deadman_is_held(scene):
    scene.step()
    assert scene.human() is None
    scene.supervisor.deadman(True, scene.now)
    assert scene.supervisor.source == HUMAN
    assert scene.human((0.0, 0.1, 0, 0)).applied == (0.0, 0.1, 0, 0)
    assert scene.policy() is None
    assert scene.supervisor.proposed[POLICY] == GO
    released = scene.supervisor.deadman(False, scene.now)
    assert released.hold
    assert scene.human() is None
    assert scene.policy().source == POLICY


def test_an_operator_who_vanishes_in_motion_latches(scene):
    scene.step()
    scene.supervisor.deadman(True, scene.now)
    scene.human()
    scene.later(0.16)
    assert scene.supervisor.tick(scene.now).hold
    assert why(scene) == [Reason.OPERATOR_LOST]
    assert scene.supervisor.source != HUMAN


def test_an_operator_who_vanishes_at_rest_does_not_hand_back(scene):
    scene.step()
    scene.supervisor.deadman(True, scene.now)
    scene.human(STILL)
    scene.policy()
    scene.later(0.16)
    assert scene.supervisor.tick(scene.now).hold
    assert why(scene) == [Reason.OPERATOR_LOST]
    assert scene.policy().hold


def test_a_device_that_says_it_is_lost_latches_at_once(scene):
    assert scene.supervisor.operator_lost(scene.now) is None
    scene.supervisor.deadman(True, scene.now)
    scene.human()
    assert scene.supervisor.operator_lost(scene.now).hold
    assert why(scene) == [Reason.OPERATOR_LOST]


def test_a_lost_camera_stops_the_policy_but_not_the_human(scene):
    scene.step()
    scene.later(0.16)
    scene.supervisor.arm(
        ArmReading(position=(0.35, 0, 0.15, 0.02), stamp_s=scene.t, joints_rad=(0, 0))
    )
    scene.supervisor.deadman(True, scene.now)
    assert scene.human().applied == GO
    scene.supervisor.deadman(False, scene.now)
    assert scene.policy().hold
    assert why(scene) == [Reason.STALE_OBSERVATION]


def test_a_blank_picture_latches_at_once(scene):
    scene.step()
    scene.frame = np.full(192, 17, np.uint8)
    scene.later(0.1)
    scene.see()
    assert scene.policy().hold
    assert why(scene) == [Reason.CAMERA_BLANK]


def test_one_frame_for_ever_is_frozen_only_once_the_arm_has_moved(scene):
    scene.step()
    for _ in range(10):
        scene.later(0.1)
        scene.see()
        assert not scene.policy().hold
    scene.tcp = (0.35, 0.015, 0.15)
    scene.later(0.1)
    scene.see()
    assert scene.policy().hold
    assert why(scene) == [Reason.CAMERA_FROZEN]


def test_a_clock_that_jumps_latches(scene):
    scene.step()
    scene.jump_s = 3600.0
    assert scene.supervisor.tick(scene.now).hold
    assert Reason.CLOCK_JUMP in why(scene)


def test_a_second_publisher_and_a_trigger_latch(scene):
    scene.supervisor.publishers(1)
    assert why(scene) == []
    scene.supervisor.publishers(2)
    scene.supervisor.trigger()
    assert why(scene) == [Reason.TWO_PUBLISHERS, Reason.TRIGGERED]
    assert scene.supervisor.safety.counts[Reason.TWO_PUBLISHERS] == 1
    assert not scene.supervisor.reset(scene.now)[0]
    scene.supervisor.publishers(1)
    assert scene.supervisor.reset(scene.now) == (True, "armed")

"""Who commands, and what stops the arm: driven by a hand-made clock."""

import numpy as np
import pytest

from robot_rl.deploy.camera_watch import CameraLimits, CameraWatch
from robot_rl.deploy.safety import ArmReading, Command, Now, Reason, SafetyFilter
from robot_rl.deploy.supervisor import HUMAN, POLICY, Supervisor, SupervisorLimits
from tests.deploy.test_safety import LIMITS

GO = (0.1, 0.0, 0.0, 0.0)
STILL = (0.0, 0.0, 0.0, 0.0)


class Scene:
    """A supervisor with one camera at a time that the test moves on."""

    def __init__(self) -> None:
        self.t = 100.0
        self.jump_s = 0.0
        self.tcp = (0.35, 0.0, 0.15)
        self.supervisor = Supervisor(
            SafetyFilter(LIMITS), {"front": CameraWatch(CameraLimits())}, SupervisorLimits()
        )
        self.frame = np.arange(3 * 64, dtype=np.uint8)
        self.see()
        assert self.supervisor.reset(self.now)[0]

    @property
    def now(self) -> Now:
        return Now(self.t + self.jump_s, self.t)

    def see(self) -> None:
        stamp_s = self.now.system_s
        self.supervisor.arm(
            ArmReading(
                position=(*self.tcp, 0.02), tcp_pos_m=self.tcp, stamp_s=stamp_s, joints_rad=(0, 0)
            )
        )
        self.supervisor.camera("front", memoryview(self.frame.tobytes()), stamp_s)

    def later(self, delay_s: float) -> None:
        self.t += delay_s

    def policy(self, velocity=GO):
        command = Command(values=velocity, source=POLICY, stamp_s=self.now.system_s)
        return self.supervisor.policy(command, self.now)

    def human(self, velocity=GO):
        command = Command(values=velocity, source=HUMAN, stamp_s=self.now.system_s)
        return self.supervisor.human(command, self.now)

    def step(self, velocity=GO):
        """One control period of healthy operation."""
        self.later(0.1)
        self.frame = self.frame + 1
        self.see()
        return self.policy(velocity)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def why(scene: Scene) -> list[Reason]:
    return scene.supervisor.safety.latch.reasons


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
    assert scene.supervisor.tick(scene.now).hold
    assert why(scene)[0] == Reason.POLICY_SILENT
    assert scene.step().hold


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


def test_reset_refuses_while_the_deadman_is_held_or_the_arm_is_silent(scene):
    scene.supervisor.trigger()
    scene.supervisor.deadman(True, scene.now)
    assert scene.supervisor.reset(scene.now) == (False, "let go of the dead-man switch first")
    scene.supervisor.deadman(False, scene.now)
    scene.later(1.0)
    assert scene.supervisor.reset(scene.now)[0] is False
    scene.see()
    assert scene.supervisor.reset(scene.now) == (True, "armed")
    assert not scene.supervisor.latched


def test_nothing_moves_before_the_first_reset():
    supervisor = Supervisor(SafetyFilter(LIMITS), {}, SupervisorLimits())
    now = Now(100.0, 100.0)
    supervisor.arm(ArmReading(position=(0.35, 0, 0.15, 0.02), stamp_s=100.0, joints_rad=(0, 0)))
    assert supervisor.policy(Command(values=GO, source=POLICY, stamp_s=100.0), now).hold

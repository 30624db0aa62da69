"""When a stopped arm may be armed again, and by what word it then moves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.deploy.safety import SafetyFilter
from robot_rl.deploy.supervisor import POLICY, Supervisor, SupervisorLimits
from robot_rl.deploy.verdicts import ArmReading, Command, Now, Reason
from tests.deploy.scene import GO, Scene, why
from tests.deploy.test_safety import LIMITS


@pytest.fixture
def scene() -> Scene:
    return Scene()


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


def _freeze(scene: Scene) -> None:
    """Equal frames while the tool moves 6 mm."""
    scene.see()
    scene.tcp = (0.356, 0.0, 0.15)
    scene.see()


def _blank(scene: Scene) -> None:
    scene.frame = np.full(192, 17, np.uint8)
    scene.see()


def _garble(scene: Scene) -> None:
    scene.supervisor.refused_camera("front")


def _go_silent(scene: Scene) -> None:
    scene.later(0.2)
    stamp_s = scene.now.system_s
    reading = ArmReading(position=(*scene.tcp, 0.02), stamp_s=stamp_s, joints_rad=(0, 0))
    scene.supervisor.arm(reading)


def _run_ahead(scene: Scene) -> None:
    stamp_s = scene.now.system_s + 3.0
    scene.supervisor.camera("front", memoryview(scene.frame.tobytes()), stamp_s)


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (_freeze, Reason.CAMERA_FROZEN),
        (_blank, Reason.CAMERA_BLANK),
        (_garble, Reason.CAMERA_MALFORMED),
        (_go_silent, Reason.STALE_OBSERVATION),
        (_run_ahead, Reason.CLOCK_JUMP),
    ],
)
def test_a_reset_is_refused_while_a_camera_is_at_fault(scene, spoil, cause):
    scene.step()
    healthy = scene.frame
    spoil(scene)
    assert scene.policy().hold
    for _ in range(3):
        armed, told = scene.supervisor.reset(scene.now)
        assert (armed, told.startswith(f"{cause} (front): ")) == (False, True)
        assert why(scene) == [cause]
        scene.supervisor.activated(scene.now.system_s)
        assert scene.policy().hold
    scene.frame = healthy + 1
    scene.see()
    assert scene.supervisor.reset(scene.now) == (True, "armed")


def test_a_frozen_camera_that_comes_back_with_the_same_picture_is_still_frozen(scene):
    scene.step()
    _freeze(scene)
    assert scene.policy().hold
    scene.later(60.0)  # the camera was unplugged, and the arm brought to another place
    scene.tcp = (0.35, 0.0, 0.15)
    scene.see()
    assert not scene.supervisor.reset(scene.now)[0]
    scene.frame = scene.frame + 1
    scene.see()
    assert scene.supervisor.reset(scene.now)[0]


def test_a_dead_camera_keeps_nobody_from_driving_by_hand(scene):
    scene.supervisor.trigger()
    _go_silent(scene)
    assert scene.supervisor.reset(scene.now) == (True, "armed")
    scene.supervisor.deadman(True, scene.now)
    assert scene.human().applied == GO


def test_a_reset_is_refused_while_the_arm_is_pressed_or_a_command_is_no_number(scene):
    scene.force_n = 31.0
    assert scene.step().hold
    assert scene.supervisor.reset(scene.now) == (False, "force limit: free the arm")
    scene.force_n = 0.0
    scene.see()
    scene.policy((float("nan"), 0, 0, 0))
    assert scene.supervisor.reset(scene.now) == (False, "not a finite number: it still comes")
    scene.later(0.16)
    scene.see()
    assert scene.supervisor.reset(scene.now) == (True, "armed")


def test_a_human_creeps_out_of_a_joint_limit_under_the_latch(scene):
    scene.joints_rad = (1.97, 0.0)
    assert scene.step().hold
    scene.supervisor.trigger()
    told = f"{Reason.JOINT_LIMIT}: a human may creep away from it"
    assert scene.supervisor.reset(scene.now) == (False, told)
    scene.supervisor.deadman(True, scene.now)
    assert scene.human((0.2, 0, 0, 0)).applied == pytest.approx((0.05, 0, 0, 0))
    assert scene.supervisor.tick(scene.now) is None
    scene.joints_rad = (0.0, 0.0)
    scene.see()
    assert scene.human((0.2, 0, 0, 0)).applied == pytest.approx((0.05, 0, 0, 0))
    scene.supervisor.deadman(False, scene.now)
    assert scene.policy().hold
    assert scene.supervisor.reset(scene.now) == (True, "armed")


def test_a_policy_that_streamed_before_a_reset_waits_for_its_activation(scene):
    scene.step()
    scene.supervisor.trigger()
    scene.supervisor.activated(scene.now.system_s)  # too early: this is before the reset
    assert scene.supervisor.reset(scene.now) == (True, "armed")
    for _ in range(20):
        verdict = scene.step()
        assert verdict.hold
        assert verdict.reasons == (Reason.NOT_ACTIVATED,)
        assert scene.supervisor.source != POLICY
        assert scene.supervisor.tick(scene.now).hold
    assert scene.supervisor.policy_waits(scene.now)
    scene.later(1.0)  # silence of one who waits is peace
    scene.see()
    scene.supervisor.tick(scene.now)
    assert why(scene) == []
    scene.supervisor.activated(scene.now.system_s + 0.1)
    assert scene.policy().hold  # made before the activation, and late
    assert scene.step().applied == GO
    assert not scene.supervisor.policy_waits(scene.now)


def test_a_human_hands_back_to_a_policy_only_where_it_was_activated(scene):
    scene.supervisor.trigger()
    scene.supervisor.reset(scene.now)
    scene.supervisor.deadman(True, scene.now)
    assert scene.policy() is None
    assert scene.human().applied == GO
    scene.supervisor.deadman(False, scene.now)
    assert scene.policy().hold


@given(st.lists(st.sampled_from(["reset", "activate", "old", "new", "trigger"]), max_size=30))
def test_no_order_of_events_moves_a_policy_without_an_activation_after_the_reset(events):
    scene = Scene()
    freed_s: float | None = scene.t
    for event in events:
        scene.later(0.1)
        scene.frame = scene.frame + 1
        scene.see()
        if event == "trigger":
            scene.supervisor.trigger()
            freed_s = None
        if event == "reset":
            scene.supervisor.reset(scene.now)
            freed_s = None
        if event == "activate":
            freed_s = freed_s if scene.supervisor.latched else scene.t
            scene.supervisor.activated(scene.t)
        if event in ("old", "new"):
            stamp_s = scene.t - 0.14 * (event == "old")
            command = Command(values=GO, source=POLICY, stamp_s=stamp_s)
            moves = freed_s is not None and stamp_s >= freed_s
            assert scene.supervisor.policy(command, scene.now).hold != moves


def test_nothing_moves_before_the_first_reset():
    supervisor = Supervisor(SafetyFilter(LIMITS), {}, SupervisorLimits())
    now = Now(100.0, 100.0)
    supervisor.arm(ArmReading(position=(0.35, 0, 0.15, 0.02), stamp_s=100.0, joints_rad=(0, 0)))
    assert supervisor.policy(Command(values=GO, source=POLICY, stamp_s=100.0), now).hold

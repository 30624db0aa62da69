"""What `RobotEnv` says of a step: what was applied and by whom, whatever refused or failed."""

import dataclasses
import time
import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hardware.guarded_arm import ArmMode, GuardedArm
from hardware.robot_env import RobotEnv
from robot_rl.axes import Axis
from robot_rl.deploy.limits import SafetyLimits
from robot_rl.deploy.safety import SafetyFilter, StopLatch
from robot_rl.deploy.verdicts import Reason
from robot_rl.envs.vector import EnvLane, RealTimeEnvs
from robot_rl.errors import HardwareError
from robot_rl.types import ActionField
from tests.hardware.paper import AXES, INTERFACE, THRUST, PaperArm, PaperCamera


def limits(axes: tuple[Axis, ...] = AXES, **changes) -> SafetyLimits:
    n = len(axes)
    settings = {
        "axes": axes,
        "position_low": (-1.0,) * n,
        "position_high": (1.0,) * n,
        "action_bound": (0.3,) * n,
        "max_step": (0.03,) * n,
        "max_velocity": (0.3,) * n,
        "max_acceleration": (6.0,) * n,
        "period_s": 0.1,
    }
    return SafetyLimits(**{**settings, **changes})


class Robot:
    """A paper robot, and the environment made of it."""

    def __init__(self, **changes) -> None:
        self.arm = PaperArm(changes.pop("axes", AXES))
        self.guarded = GuardedArm(self.arm, 0.2, silence=ArmMode.HOLDING)
        self.camera = PaperCamera()
        settings = {
            "interface": INTERFACE,
            "arm": self.guarded,
            "cameras": {"front": self.camera},
            "safety": SafetyFilter(changes.pop("limits", limits()), StopLatch([])),
            "reset_routine": lambda seed: None,
            "success": lambda: False,
            "max_episode_steps": 40,
        }
        self.env = RobotEnv(**{**settings, **changes})


@pytest.fixture
def make():
    made = []

    def build(**changes) -> Robot:
        made.append(Robot(**changes))
        return made[-1]

    yield build
    for robot in made:
        robot.env.close()


def test_a_command_that_the_guarded_arm_refused_is_a_hold_by_nobody(make):
    robot = make()
    robot.env.reset(seed=0)
    *_, info = robot.env.step(np.array([1.0, 0.0, -0.5], np.float32))
    assert (info["source"], info["fault"]) == ("policy", "")
    np.testing.assert_allclose(info["applied_action"], [1.0, 0.0, -0.5], atol=1e-6)
    assert robot.arm.commands == [pytest.approx((0.3, 0.0, -0.15, 0.0))]
    robot.guarded.fault("the wrist is too hot")
    _, reward, terminated, truncated, info = robot.env.step(np.ones(3, np.float32))
    assert len(robot.arm.commands) == 1
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["applied_action"].tolist() == [0.0, 0.0, 0.0]
    assert info["source"] == "nobody"
    assert "the wrist is too hot" in info["fault"]


def test_after_a_fault_a_reset_says_how_to_mend_it_until_somebody_did(make):
    robot = make()
    robot.env.reset(seed=0)
    robot.arm.broken = "the drive tripped"
    *_, truncated, info = robot.env.step(np.ones(3, np.float32))
    assert truncated
    assert (info["source"], info["applied_action"].any()) == ("nobody", False)
    for _ in range(2):
        with pytest.raises(
            HardwareError, match=r"the drive tripped\. Remove the cause, then start"
        ):
            robot.env.reset(seed=1)
    robot.env.recover()
    robot.env.reset(seed=1)
    *_, truncated, info = robot.env.step(np.ones(3, np.float32))
    assert (truncated, info["source"], info["fault"]) == (False, "policy", "")


def test_who_chose_an_action_is_said_before_it_and_holds_for_one_step(make):
    robot = make()
    robot.env.reset(seed=0)
    said = []
    for source in ("human", None, "random", "nobody", None):
        if source:
            robot.env.source = source
        said.append(robot.env.step(np.zeros(3, np.float32))[4]["source"])
    assert said == ["human", "policy", "random", "nobody", "policy"]


def test_what_safety_limited_is_the_policys_and_what_it_held_is_nobodys(make):
    robot = make(limits=limits(max_velocity=(0.15,) * 4))
    robot.env.reset(seed=0)
    *_, info = robot.env.step(np.array([1.0, -1.0, 0.2], np.float32))
    np.testing.assert_allclose(info["applied_action"], [0.5, -0.5, 0.2], atol=1e-6)
    assert (info["source"], info["safety"]) == ("policy", ["velocity limit"])
    robot.env.safety.stop(Reason.TRIGGERED)
    *_, truncated, info = robot.env.step(np.ones(3, np.float32))
    assert (truncated, info["source"]) == (True, "nobody")
    assert info["applied_action"].tolist() == [0.0, 0.0, 0.0]
    assert info["fault"] == "safety: stop was triggered"
    with pytest.raises(HardwareError, match="stopped: safety: stop was triggered"):
        robot.env.reset(seed=0)


def test_a_hold_is_what_holds_the_axis_and_not_zero(make):
    """9.81 N hold it; the field's 0 is 10 N and its 1 is 20: (9.81 - 10) / 10 = -0.019."""
    thrust = ActionField(name="thrust", unit="N", kind="position", scale=10, offset=10, hold=-0.019)
    robot = make(
        axes=(*AXES, THRUST),
        limits=limits((*AXES, THRUST)),
        interface=dataclasses.replace(INTERFACE, actions=(*INTERFACE.actions, thrust)),
    )
    robot.env.reset(seed=0)
    robot.guarded.fault("a propeller is loose")
    *_, info = robot.env.step(np.ones(4, np.float32))
    np.testing.assert_allclose(info["applied_action"], [0.0, 0.0, 0.0, -0.019], atol=1e-6)
    np.testing.assert_allclose(robot.env.hold(), [0.0, 0.0, 0.0, -0.019], atol=1e-6)


def test_a_pause_of_the_learner_holds_the_arm_and_is_no_fault(make):
    robot = make()
    robot.env.reset(seed=0)
    robot.env.step(np.ones(3, np.float32))
    deadline = time.monotonic() + 10
    while robot.guarded.mode == ArmMode.MOVING and time.monotonic() < deadline:
        time.sleep(0.02)
    assert robot.guarded.mode == ArmMode.HOLDING
    began_s = time.time()
    obs, *_, truncated, info = robot.env.step(np.ones(3, np.float32))
    assert (truncated, info["source"]) == (False, "policy")
    # The frames that came during the pause show nothing of this command.
    assert info["stamp_s"] > began_s + 0.04
    np.testing.assert_allclose(obs["proprio"], [0.36, 0.06, 0.16], atol=1e-6)


def test_a_camera_that_falls_silent_stops_the_arm(make):
    robot = make()
    robot.env.reset(seed=0)
    robot.camera.unplugged = True
    with pytest.raises(HardwareError, match="the cable is out"):
        robot.env.step(np.ones(3, np.float32))
    assert robot.guarded.mode == ArmMode.FAULT


@pytest.mark.parametrize("inline", [True, False])
def test_the_step_of_a_fault_is_not_lost_with_the_episode_that_cannot_begin(make, inline):
    robot = make()
    lane = EnvLane(lambda: robot.env, 0, 0, 0)
    envs = RealTimeEnvs([lane])
    envs.reset()
    robot.arm.broken = "the drive tripped"

    def step():
        if inline:
            return lane.step(np.ones(3, np.float32), None, "human")
        envs.send(np.ones((1, 3), np.float32), [None], ["human"])
        return envs.receive()[0]

    result = step()
    assert (result.truncated, result.opening, result.source) == (True, None, "nobody")
    assert not result.applied_action.any()
    with pytest.raises(HardwareError, match="the drive tripped"):
        step()
    envs.close()


def test_gymnasiums_checker_finds_nothing(make):
    robot = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*observation space (minimum|maximum) value")
        check_env(robot.env, skip_render_check=True, skip_close_check=True)
    robot.env.reset(seed=0)
    assert robot.env.render().shape == (256, 256, 3)


def test_a_fault_of_the_arms_own_is_recovered_from(make):
    """It tells nothing while it is in it: recovery comes first, then the question what lasts."""
    robot = make()
    robot.env.reset(seed=0)
    state, told = robot.arm.state, []

    def silent():
        raise HardwareError("a protective stop")

    def recover():
        robot.arm.state = state
        told.append("recovered")

    robot.arm.state, robot.arm.recover = silent, recover
    with pytest.raises(HardwareError, match="a protective stop"):
        robot.env.step(np.zeros(3, np.float32))
    robot.env.recover()
    assert told == ["recovered"]
    robot.env.reset(seed=1)
    robot.env.step(np.zeros(3, np.float32))

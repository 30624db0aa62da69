"""A robot from its configuration: the simulation's interface, refusals, the way home."""

import dataclasses
import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hardware.guarded_arm import GuardedArm
from hardware.homing import GuardedHoming
from hardware.limits import safety_limits
from hardware.robot import contract, make_env
from robot_rl.build.compose import compose
from robot_rl.deploy.safety import SafetyFilter, StopLatch
from robot_rl.deploy.verdicts import Reason
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.envs.robot import AxisLimits, DriverConfig, RobotCamera, RobotConfig, SafetyConfig
from robot_rl.envs.shared import share
from robot_rl.errors import ConfigError, HardwareError, UnknownNameError
from tests.hardware.paper import INTERFACE, PaperArm

SMALL = ("task.image_size=32",)
CROPPED = (
    "task.cameras.front.crop=[8,16,48,32]",
    "task.cameras.front.source_height=64",
    "task.cameras.front.source_width=64",
)
# It says itself what it measures and does: no simulated task has its name.
LIMITS = AxisLimits(low=-1.0, high=1.0, max_velocity=0.3, max_acceleration=6.0)
PAPER = RobotConfig(
    arm=DriverConfig(driver="tests.hardware.paper:PaperArm"),
    cameras={"front": RobotCamera(driver="tests.hardware.paper:PaperCamera")},
    safety=SafetyConfig(axes={axis.name: LIMITS for axis in PaperArm().features.axes}),
    actions=INTERFACE.actions,
    proprio=INTERFACE.proprio,
    control_rate_hz=10.0,
    episode_s=0.3,
    home={"tcp_x": 0.34, "tcp_z": 0.05},
)
STAND = TaskConfig(
    name="paper/stand", cameras={"front": CameraSpec()}, image_size=16, reward="sparse"
)


def sim_arm(*overrides: str):
    return compose(["robot=sim_arm", *SMALL, *overrides])


@pytest.mark.parametrize(
    "overrides",
    [
        ("task=arm/reach",),
        ("task=arm/lift",),
        ("task=arm/peg_insert", "task.options.random_yaw=true"),
        ("task=arm/push", "task.action_repeat=2", "task.use_proprio=false"),
        ("task=arm/reach", *CROPPED),
        ("task=arm/reach", "task.source_size=0"),
    ],
)
def test_a_robot_has_the_interface_of_the_simulated_task(overrides):
    config = sim_arm(*overrides)
    simulated = open_env(config.task, RenderConfig())
    interface, episode_s = contract(config.task, config.robot)
    interface.require_equal(simulated.interface, "the robot")
    steps = simulated.simulation.max_episode_steps
    assert episode_s == steps / simulated.simulation.control_rate_hz
    simulated.close()


def test_the_robot_that_the_commands_open_shows_what_the_simulation_shows_and_passes_the_checker():
    config = sim_arm("task=arm/reach", "task.relative_frame=true", *CROPPED)
    simulated, robot = (
        open_env(config.task, RenderConfig(), which) for which in (None, config.robot)
    )
    wanted, seen = simulated.reset(seed=3)[0], robot.reset(seed=3)[0]
    for key in wanted:
        np.testing.assert_allclose(seen[key], wanted[key], atol=1e-4)
    expert = robot.scene().expert_action
    assert expert.shape == (3,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(observation space m|unwrapped version)")
        check_env(robot, skip_render_check=True, skip_close_check=True)
    simulated.close()
    robot.close()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("task.reward=dense",), "pays success alone, not task.reward=dense"),
        (("task.state=true",), "does not tell where its objects are"),
        (("task.name=kitchen/pick",), "no simulated task is called kitchen/pick"),
        (("robot.control_rate_hz=20",), "are those of arm/reach at 10 Hz"),
        (("robot.cameras.front.rate_hz=5",), "camera 'front' gives 5 frames per second"),
        (("robot.success=reward_model",), "do not go together"),
        (("reward=classifier",), "do not go together"),
        (("robot.safety.watchdog_s=0.09",), "watchdog"),
        (("robot.arm.driver=tests.hardware.paper:PaperArm", "~robot.arm.settings"), "judge"),
    ],
)
def test_what_a_robot_cannot_do_is_refused_before_it_is_connected(overrides, words):
    config = sim_arm(*overrides)
    with pytest.raises(ConfigError, match=words):
        make_env(config.task, config.robot)


def test_other_refusals_name_the_choices():
    config = sim_arm("robot.arm.driver=simm")
    with pytest.raises(UnknownNameError, match="unknown arm 'simm'"):
        make_env(config.task, config.robot)
    with pytest.raises(ConfigError, match="num_envs=0"):
        sim_arm("num_envs=2")
    with pytest.raises(UnknownNameError, match=r"unknown robot 'sim_am'\. Choose one of: sim_arm"):
        compose(["robot=sim_am"])
    config = sim_arm("+task.cameras.top={}")
    with pytest.raises(HardwareError, match="needs the cameras top; this robot has front, wrist"):
        make_env(config.task, config.robot)
    blind = dataclasses.replace(
        PAPER, cameras={"front": RobotCamera(driver="arm")}, safety=SafetyConfig()
    )
    with pytest.raises(ConfigError, match="that arm brings no camera"):
        make_env(STAND, blind)


def test_a_robot_of_its_own_declares_its_interface_and_is_driven_home():
    env = make_env(STAND, PAPER)
    assert env.interface == INTERFACE
    obs, _ = env.reset(seed=0)
    np.testing.assert_allclose(obs["proprio"], [0.34, 0.0, 0.05], atol=0.003)
    ended = [env.step(np.zeros(3, np.float32))[3] for _ in range(3)]
    assert ended == [False, False, True]  # 0.3 s at 10 Hz
    env.close()


def test_an_axis_without_limits_is_named():
    axes = dict.fromkeys(("tcp_x", "tcp_z"), LIMITS)
    with pytest.raises(ConfigError, match="axes tcp_y, gripper of the arm paper have no limits"):
        safety_limits(SafetyConfig(axes=axes), PaperArm().features, 0.1)


def test_on_the_way_home_it_keeps_its_limits_and_stops_where_safety_says_so():
    arm, config = PaperArm(), PAPER.safety
    guarded = GuardedArm(arm, 0.2)
    guarded.start()
    guarded.enable()
    safety = SafetyFilter(safety_limits(config, arm.features, 0.05), StopLatch([]))
    GuardedHoming(guarded, safety, {"tcp_x": 0.35}, 0.05)(0)
    # Half of 0.3 m/s at the most: 0.0075 m a period; then 0.3 of what is left, until 0.0015 m.
    assert arm.commands[0] == pytest.approx((0.15, 0.0, 0.0, 0.0))
    assert max(command[0] for command in arm.commands) == pytest.approx(0.15)
    assert 0.3485 <= arm.tcp[0] <= 0.35
    safety.stop(Reason.TRIGGERED)
    with pytest.raises(HardwareError, match="stopped on its way home: stop was triggered"):
        GuardedHoming(guarded, safety, {"tcp_x": 0.0}, 0.05)(0)
    with pytest.raises(ConfigError, match="names tcp_w; the arm has tcp_x, tcp_y"):
        GuardedHoming(guarded, safety, {"tcp_w": 0.0}, 0.05)(0)
    guarded.close()


def test_who_resets_a_shared_robot_has_it_and_the_other_ones_episode_ends_standing_still():
    robot = make_env(STAND, PAPER)
    learning, judged = share(robot)
    learning.reset(seed=0)
    seen, *_ = learning.step(np.ones(3, np.float32))
    judged.reset(seed=1)
    at = list(robot._arm.arm.tcp)
    obs, reward, terminated, truncated, info = learning.step(np.ones(3, np.float32))
    assert (reward, terminated, truncated, info["source"]) == (0.0, False, True, "nobody")
    assert not info["applied_action"].any()
    assert robot._arm.arm.tcp == at
    np.testing.assert_array_equal(obs["image/front"], seen["image/front"])
    assert not judged.step(np.ones(3, np.float32))[3]
    learning.close()  # the other one still has it
    judged.reset(seed=2)
    judged.release()

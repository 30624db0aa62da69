"""The simulated robot: the world of a task in real time, and `RobotEnv` on it."""

import dataclasses

import numpy as np
import pytest

from hardware.guarded_arm import GuardedArm
from hardware.proprio import ProprioReader
from hardware.robot_env import RobotEnv
from hardware.sim import SimulatedArm, SimulatedCamera, SimWorld
from robot_rl.axes import GRIPPER, TCP_LINEAR, Axis
from robot_rl.deploy.actions import ActionMap
from robot_rl.deploy.limits import SafetyLimits
from robot_rl.deploy.safety import SafetyFilter, StopLatch
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.errors import ConfigError, HardwareError, InterfaceMismatchError

TASK = TaskConfig(name="arm/reach", cameras={"front": CameraSpec()}, image_size=32)
LIMITS = SafetyLimits(
    axes=tuple(Axis(name=name, unit="m") for name in (*TCP_LINEAR, GRIPPER)),
    position_low=(0.2, -0.3, 0.0, -0.01),
    position_high=(0.6, 0.3, 0.4, 0.05),
    action_bound=(0.3, 0.3, 0.3, 0.3),
    max_step=(0.03, 0.03, 0.03, 0.03),
    max_velocity=(0.3, 0.3, 0.3, 0.3),
    max_acceleration=(8.0, 8.0, 8.0, 8.0),
    period_s=0.1,
)


@pytest.fixture
def world():
    world = SimWorld(TASK)
    world.start()
    yield world
    world.close()


def robot_env(world: SimWorld, **changes) -> RobotEnv:
    settings = {
        "interface": world.interface,
        "arm": GuardedArm(SimulatedArm(world), 0.2),
        "cameras": {"front": SimulatedCamera(world, "front")},
        "safety": SafetyFilter(LIMITS, StopLatch([])),
        "reset_routine": lambda seed: world.reset(seed or 0),
        "success": lambda: bool(world.newest and world.newest.success),
        "max_episode_steps": 40,
    }
    return RobotEnv(**{**settings, **changes})


def test_the_world_keeps_time_and_shows_what_the_task_shows(world):
    first = world.reset(7)
    stamps = [first.stamp_s]
    for _ in range(5):
        stamps.append(world.after(stamps[-1], 1.0).stamp_s)
    assert np.diff(stamps) == pytest.approx(0.1, abs=0.06)
    assert stamps[-1] - stamps[0] == pytest.approx(0.5, abs=0.06)
    env = open_env(TASK, RenderConfig())
    obs, _ = env.reset(seed=7)
    np.testing.assert_array_equal(first.images["front"], obs["image/front"])
    proprio = ProprioReader(world.interface.proprio).read(first.state)
    np.testing.assert_allclose(proprio, obs["proprio"], atol=1e-4)
    env.close()


def test_a_robot_env_follows_the_plain_environment(world):
    """The same actions move it alike: the same places at the same speeds, where it is in time."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (8, 3)).astype(np.float32)
    env, robot = open_env(TASK, RenderConfig()), robot_env(world)
    env.reset(seed=3)
    robot.reset(seed=3)
    gaps = []
    for action in actions:
        obs, *_ = env.step(action)
        seen, *_, info = robot.step(action)
        np.testing.assert_allclose(info["applied_action"], action, atol=1e-6)
        gaps.append(np.abs(seen["proprio"] - obs["proprio"]))
    assert np.max(gaps, axis=0)[:3] == pytest.approx(0.0, abs=0.012)
    # A command that a busy machine delays is one of few.
    assert np.median(gaps, axis=0) == pytest.approx(0.0, abs=1e-4)
    assert robot.pace.steps == 8
    assert robot.pace.misses <= 2
    robot.close()
    env.close()


def test_a_policy_of_the_relative_frame_sees_on_the_robot_what_it_saw_in_training(world):
    env = open_env(dataclasses.replace(TASK, relative_frame=True), RenderConfig())
    robot = robot_env(world, interface=env.interface)
    for seed in (3, 4):  # the start is another one each time
        wanted, seen = env.reset(seed=seed)[0], robot.reset(seed=seed)[0]
        np.testing.assert_array_equal(seen["proprio"][:3], np.zeros(3))
        for _ in range(4):
            wanted, *_ = env.step(np.array([0.5, -1.0, 0.25], np.float32))
            seen, *_ = robot.step(np.array([0.5, -1.0, 0.25], np.float32))
        np.testing.assert_allclose(seen["proprio"][:3], wanted["proprio"][:3], atol=0.012)
        assert seen["proprio"][1] < -0.05
    robot.close()
    env.close()


def test_the_scripted_expert_succeeds_on_the_robot(world):
    robot = robot_env(world)
    robot.reset(seed=1)
    for _ in range(40):
        with world.lock:
            action = world.simulation.expert_action()
        _, reward, terminated, truncated, info = robot.step(action)
        if terminated or truncated:
            break
    assert info["success"]
    assert reward == 1.0
    robot.close()


def test_a_latched_stop_holds_the_robot(world):
    robot = robot_env(world)
    robot.reset(seed=1)
    robot.safety.latch.latch("stop was triggered")
    before = world.state().tcp_pos_m
    for _ in range(3):
        *_, info = robot.step(np.ones(3, np.float32))
    assert not info["applied_action"].any()
    np.testing.assert_allclose(world.state().tcp_pos_m, before, atol=2e-3)
    robot.close()


def test_the_robot_speaks_gymnasium(world):
    robot = robot_env(world, max_episode_steps=2)
    obs, info = robot.reset(seed=5)
    assert robot.observation_space.contains(obs)
    assert info == {"success": False}
    for truncated in (False, True):
        obs, reward, terminated, ended, info = robot.step(robot.action_space.sample())
        assert robot.observation_space.contains(obs)
        assert (reward, terminated, ended) == (0.0, False, truncated)
        assert info["source"] == "policy"
    robot.close()


def test_what_is_missing_is_named(world):
    with pytest.raises(HardwareError, match="needs the cameras front; this robot has none"):
        robot_env(world, cameras={})
    with pytest.raises(HardwareError, match="no camera 'top'"):
        _ = SimulatedCamera(world, "top").features
    with pytest.raises(ConfigError, match="arm suite, not dmc"):
        SimWorld(TaskConfig(name="dmc/cartpole_balance"))


def test_the_action_map_is_its_own_inverse(world):
    arm = SimulatedArm(world)
    mapping, at = ActionMap(world.interface, arm.features.axes), (0.3, 0.0, 0.1, 0.02)
    action = np.array([0.5, -1.0, 0.25], np.float32)
    command = mapping.command(action, at)
    assert command == pytest.approx((0.15, -0.3, 0.075, 0.0))
    np.testing.assert_allclose(mapping.action(command, at), action, rtol=1e-6)


def test_a_cropped_camera_shows_on_the_robot_what_it_showed_in_training():
    """The robot's camera sends the source; the crop is the policy's."""
    crop = CameraSpec(height=32, width=32, crop=(8, 16, 48, 32), source_height=64, source_width=64)
    env = open_env(dataclasses.replace(TASK, cameras={"front": crop}), RenderConfig())
    world = SimWorld(dataclasses.replace(TASK, image_size=64))
    world.start()
    robot = robot_env(world, interface=env.interface)
    wanted, seen = env.reset(seed=3)[0], robot.reset(seed=3)[0]
    np.testing.assert_array_equal(seen["image/front"], wanted["image/front"])
    robot.close()
    env.close()


def test_a_camera_of_another_size_is_refused(world):
    small = dataclasses.replace(world.interface.cameras[0], height=16, width=16)
    interface = dataclasses.replace(world.interface, cameras=(small,))
    robot = robot_env(world, interface=interface)
    with pytest.raises(InterfaceMismatchError, match=r"sends 32x32 .* the policy takes 16x16"):
        robot.reset(seed=3)
    robot.close()

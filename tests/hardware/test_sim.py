"""The simulated robot: the world of a task in real time, and `RobotEnv` on it."""

import dataclasses
import time

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


EQUAL = 1e-4  # m and m/s
NEARLY = 1e-3  # a second episode differs by .0005

Seen = tuple[np.ndarray, np.ndarray]


def both(task: TaskConfig, actions: np.ndarray, seeds: tuple[int, ...]) -> Seen:
    """Proprio [seeds, 1 + T, P] on a robot and in the plain environment, resets first."""
    world, env = SimWorld(TASK), open_env(task, RenderConfig())
    world.start()
    robot = robot_env(world, interface=env.interface)
    seen, wanted = [], []
    for seed in seeds:
        wanted.append(env.reset(seed=seed)[0]["proprio"])
        seen.append(robot.reset(seed=seed)[0]["proprio"])
        for action in actions:
            wanted.append(env.step(action)[0]["proprio"])
            obs, *_, info = robot.step(action)
            seen.append(obs["proprio"])
            np.testing.assert_allclose(info["applied_action"], action, atol=1e-6)
    assert robot.pace.steps == len(actions) * len(seeds)
    robot.close()
    env.close()
    shape = (len(seeds), 1 + len(actions), -1)
    return np.reshape(seen, shape), np.reshape(wanted, shape)


def undisturbed(task: TaskConfig, actions: np.ndarray, seeds: tuple[int, ...], atol: float) -> Seen:
    """`both`, once a busy machine delayed no command: one that is late shifts all that follow."""
    end_s = time.monotonic() + 60.0
    while True:
        seen, wanted = both(task, actions, seeds)
        if np.abs(seen - wanted).max() < atol or time.monotonic() > end_s:
            return seen, wanted


def test_a_robot_env_follows_the_plain_environment():
    """The same actions move it alike: the same places at the same speeds, where it is in time."""
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 3)).astype(np.float32)
    seen, wanted = undisturbed(TASK, actions, (3,), EQUAL)
    assert np.ptp(wanted[0, :, :3], axis=0).min() > 0.015
    np.testing.assert_allclose(seen, wanted, atol=EQUAL)


def test_a_policy_of_the_relative_frame_sees_on_the_robot_what_it_saw_in_training():
    task = dataclasses.replace(TASK, relative_frame=True)
    actions = np.array([[0.5, -1.0, 0.25]] * 4, np.float32)
    seen, wanted = undisturbed(task, actions, (3, 4), NEARLY)  # the start is another each time
    np.testing.assert_array_equal(seen[:, 0, :3], np.zeros((2, 3)))
    np.testing.assert_allclose(seen, wanted, atol=NEARLY)


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

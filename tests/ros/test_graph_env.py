"""Learning on the graph of nodes: safety stays in its place, and a human at the teleop node."""

import time

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from std_msgs.msg import Header

from benchmarks.ros_graph import Graph, Probe
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.envs.robot import DriverConfig, RobotConfig
from robot_rl.errors import ConfigError
from robot_rl_nodes import graph
from robot_rl_nodes.messages import to_time

TASK = TaskConfig(name="arm/reach", reward="sparse", cameras={"front": CameraSpec()})
ROBOT = RobotConfig(
    arm=DriverConfig(driver="graph", settings={"cameras": {"front": "/camera"}, "simulated": True}),
    success="driver",
)


@pytest.fixture(scope="module")
def nodes():
    with Graph() as made:
        made.start("sim_robot_node", {"task": "arm/reach", "image_size": 64, "scene": True})
        camera = {"driver": "topic", "source": "/sim/front/image_raw", "rate_hz": 10.0}
        made.start("camera_node", {**camera, "width": 64, "height": 64}, namespace="/camera")
        made.start("safety_node", {"robot": "sim_arm", "cameras": ["/camera"]})
        yield made


@pytest.fixture(scope="module")
def env(nodes):
    made = open_env(TASK, RenderConfig(), ROBOT)
    yield made
    made.close()


def walk(env, action, steps):
    return [env.step(np.array(action, np.float32)) for _ in range(steps)]


def test_an_action_does_what_it_says_and_is_told_as_applied(env):
    obs, _ = env.reset(seed=3)
    assert obs["image/front"].shape == (64, 64, 3)
    start = obs["proprio"][:3].copy()
    toward = -1.0 if start[1] > 0 else 1.0
    steps = walk(env, (0.0, 0.5 * toward, 0.0), 12)
    infos = [info for *_, info in steps]
    assert {info["source"] for info in infos} <= {"policy", "nobody"}
    applied = np.sum([info["applied_action"] for info in infos], axis=0)
    moved = steps[-1][0]["proprio"][:3] - start
    assert 0.1 < toward * moved[1] < 0.25
    # 3 cm for an action of 1; what was applied last is still on its way.
    np.testing.assert_allclose(moved, 0.03 * applied, atol=0.03)
    stamps = np.diff([info["stamp_s"] for info in infos])
    assert abs(np.median(stamps) - 0.1) < 0.02
    env.unwrapped.source = "random"
    assert env.step(np.zeros(3, np.float32))[-1]["source"] in ("random", "nobody")


def test_a_learner_that_pauses_makes_the_arm_stand_and_stops_nothing(env):
    env.reset(seed=4)
    walk(env, (0.3, 0.0, 0.0), 2)
    time.sleep(1.0)
    at = env.step(np.zeros(3, np.float32))[0]["proprio"][:3]
    later = env.step(np.zeros(3, np.float32))
    np.testing.assert_allclose(later[0]["proprio"][:3], at, atol=0.01)
    assert later[-1]["fault"] == ""


class Hand:
    """An operator's teleop node."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = Node("teleop_node", context=self.context)
        self.twist = self.node.create_publisher(TwistStamped, graph.TELEOP_TWIST, graph.COMMAND)
        self.deadman = self.node.create_publisher(Header, graph.TELEOP_DEADMAN, graph.COMMAND)

    def say(self, word):
        self.deadman.publish(Header(stamp=to_time(time.time()), frame_id=word))

    def push(self, x_m_s):
        self.say("held")
        message = TwistStamped()
        message.header.stamp = to_time(time.time())
        message.header.frame_id = "base_link"
        message.twist.linear.x = x_m_s
        self.twist.publish(message)

    def close(self):
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


def test_a_human_takes_over_and_what_is_told_is_the_hands(env):
    env.reset(seed=5)
    hand = Hand()
    try:
        deadline_s = time.monotonic() + 20.0
        while hand.deadman.get_subscription_count() == 0:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        told = []
        for _ in range(60):
            hand.push(-0.06)
            time.sleep(0.02)
            if len(told) < 8:
                told.append(env.step(np.array((0.0, 0.0, 0.4), np.float32))[-1])
        hand.say("released")
    finally:
        hand.close()
    human = [info for info in told if info["source"] == "human"]
    assert len(human) >= 3
    for info in human[-3:]:
        # 6 mm in a period of 0.1 s, of 3 cm.
        np.testing.assert_allclose(info["applied_action"], (-0.2, 0.0, 0.0), atol=0.05)


def test_a_simulated_human_drives_with_a_hand_of_its_own(env):
    """Its expert's actions go the way of an operator's, dead-man and all, and reach the goal."""
    env.reset(seed=8)
    walk(env, (0.1, 0.0, 0.0), 2)
    sources, done = [], False
    while not done and len(sources) < 40:
        scene = env.unwrapped.scene()
        env.unwrapped.source = "human"
        _, reward, terminated, truncated, info = env.step(scene.expert_action)
        sources.append(info["source"])
        done = terminated or truncated
    assert terminated
    assert reward == 1.0
    assert sources.count("human") >= len(sources) - 2
    env.reset(seed=9)
    told = walk(env, (0.1, 0.0, 0.0), 3)[-1][-1]
    assert told["source"] == "policy", "it handed back"


def test_a_stop_ends_the_episode_and_a_scene_that_is_set_up_anew_goes_on(env):
    env.reset(seed=6)
    probe = Probe()
    try:
        probe.trigger(graph.SAFETY_TRIGGER)
        told = walk(env, (0.2, 0.0, 0.0), 3)[-1]
    finally:
        probe.close()
    assert told[3]
    assert told[-1]["fault"] == "safety stopped the arm"
    assert told[-1]["source"] == "nobody"
    env.reset(seed=7)
    assert walk(env, (0.0, 0.0, 0.1), 2)[-1][-1]["fault"] == ""


def test_bad_settings_are_told_before_anything_is_waited_for():
    other = RobotConfig(arm=DriverConfig(driver="graph", settings={"speed": 1}))
    with pytest.raises(ConfigError, match="cameras and simulated"):
        open_env(TASK, RenderConfig(), other)
    blind = RobotConfig(
        arm=DriverConfig(driver="graph", settings={"simulated": True}), success="driver"
    )
    with pytest.raises(ConfigError, match="also looks through front"):
        open_env(TASK, RenderConfig(), blind)

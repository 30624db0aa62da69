"""Arms behind controllers of `ros2_control` and MoveIt Servo, which a simulated robot plays."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from hardware.drivers import ARMS, load_driver
from hardware.kinematics import Kinematics
from robot_rl.errors import ConfigError, HardwareError
from robot_rl_nodes import graph
from robot_rl_nodes.messages import to_time
from robot_rl_nodes.ros2_control import Ros2ControlArm

_TICK_S = 0.01
_SPEED_RAD_S = 3.0


class Robot:
    """Joints that follow what their controllers were told last, as those hold it; and a gripper."""

    def __init__(self) -> None:
        self.kinematics = Kinematics("ur5e")
        self.names = [*self.kinematics.arm.joints, "finger"]
        self.joints = np.array([*self.kinematics.arm.home_rad, 0.4])
        self.goals = self.joints.copy()
        self.twist = np.zeros(6)
        self.twist_s = 0.0
        self.points: list[int] = []
        self.poses: list[tuple[float, ...]] = []
        self.late_s = 0.0
        self.silent = False
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = node = Node("robot", context=self._context)
        self._states = node.create_publisher(JointState, "/joint_states", graph.STATE)
        for kind, topic, heard in (
            (JointTrajectory, "/joint_trajectory_controller/joint_trajectory", self._trajectory),
            (JointTrajectory, "/gripper_controller/joint_trajectory", self._gripper),
            (Float64MultiArray, "/forward_position_controller/commands", self._positions),
            (TwistStamped, "/servo_node/delta_twist_cmds", self._servo),
            (PoseStamped, "/target_pose", self._pose),
        ):
            node.create_subscription(kind, topic, heard, graph.COMMAND)
        node.create_timer(_TICK_S, self._tick)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(2.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _trajectory(self, message: JointTrajectory) -> None:
        self.points.append(len(message.points))
        times = [point.time_from_start.nanosec for point in message.points]
        assert times == sorted(times)
        assert times[0] > 0, "a controller refuses a point that is due already"
        self.goals[:6] = message.points[-1].positions

    def _gripper(self, message: JointTrajectory) -> None:
        assert message.joint_names == ["finger"]
        self.goals[6] = message.points[0].positions[0]

    def _positions(self, message: Float64MultiArray) -> None:
        self.goals[:6] = message.data

    def _servo(self, message: TwistStamped) -> None:
        linear, angular = message.twist.linear, message.twist.angular
        self.twist = np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])
        self.twist_s = time.monotonic()

    def _pose(self, message: PoseStamped) -> None:
        at = message.pose.position
        self.poses.append((at.x, at.y, at.z))

    def _tick(self) -> None:
        if time.monotonic() - self.twist_s < 0.1 and self.twist.any():  # Servo's own timeout
            rates = self.kinematics.rates(self.joints[:6].tolist(), self.twist[:3], self.twist[3:])
            self.goals[:6] = self.joints[:6] + rates * _TICK_S
        most = _SPEED_RAD_S * _TICK_S
        self.joints += np.clip(self.goals - self.joints, -most, most)
        if not self.silent:
            message = JointState(name=self.names, position=self.joints.tolist())
            message.header.stamp = to_time(time.time() - self.late_s)
            self._states.publish(message)


@pytest.fixture
def robot() -> Iterator[Robot]:
    made = Robot()
    yield made
    made.close()


@pytest.fixture
def connect(robot) -> Iterator[Callable[..., Ros2ControlArm]]:
    made: list[Ros2ControlArm] = []

    def opened(interface: str, **settings) -> Ros2ControlArm:
        arm = load_driver(
            ARMS, "ros2_control", {"interface": interface, "model": "ur5e", **settings}
        )
        made.append(arm)
        arm.connect()
        return arm

    yield opened
    for arm in made:
        arm.disconnect()


def until(holds: Callable[[], object], within_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come to that"
        time.sleep(0.01)


@pytest.mark.parametrize("interface", ["trajectory", "forward", "twist"])
def test_the_tool_moves_as_it_is_told_and_then_stands(robot, connect, interface):
    arm = connect(interface)
    start = np.array(arm.state().tcp_pos_m)
    for _ in range(20):
        arm.command((0.0, 0.0, 0.04, 0.0, 0.0, 0.0, 0.0), 0.2)
        time.sleep(0.05)
    until(lambda: max(map(abs, arm.state().tcp_vel_m_s)) < 1e-3)
    went = np.array(arm.state().tcp_pos_m) - start
    assert 0.025 < went[2] < 0.07, went
    assert np.abs(went[:2]).max() < 0.01, went
    there = robot.joints.copy()
    time.sleep(0.3)
    np.testing.assert_allclose(robot.joints, there, atol=1e-4)
    if interface == "trajectory":
        assert set(robot.points) == {4}, "several points, which a controller can upsample"


def test_the_pose_that_is_published_is_the_tools_and_moves_on(robot, connect):
    arm = connect("pose")
    until(lambda: robot.poses)
    # From the arm's own base, which stands 20 cm behind the task's origin.
    own = np.array(arm.state().tcp_pos_m) - (-0.2, 0.0, 0.0)
    np.testing.assert_allclose(robot.poses[-1], own, atol=1e-6)
    arm.command((0.0, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0), 0.2)
    until(lambda: robot.poses[-1][2] > arm.state().tcp_pos_m[2] + 0.01)


def test_joints_and_the_gripper(robot, connect):
    jaw = {
        "topic": "/gripper_controller/joint_trajectory",
        "joint": "finger",
        "closed": 0.8,
        "open": 0.0,
    }
    arm = connect("forward", control="joints", gripper=jaw)
    assert arm.state().gripper_m == pytest.approx(0.02, abs=1e-3)
    pan = robot.joints[0]
    for _ in range(10):
        arm.command((0.4, 0.0, 0.0, 0.0, 0.0, 0.0, -0.02), 0.2)
        time.sleep(0.05)
    until(lambda: robot.joints[0] > pan + 0.15)
    until(lambda: robot.joints[6] > 0.55)
    assert arm.state().gripper_m < 0.014


def test_a_stop_and_a_driver_that_leaves_stand_where_they_are(robot, connect):
    arm = connect("forward", control="joints")
    arm.command((1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 5.0)
    pan = robot.joints[0]
    until(lambda: robot.joints[0] > pan + 0.2)
    arm.stop()
    at = robot.joints[0]
    time.sleep(0.3)
    assert abs(robot.joints[0] - at) < 0.1
    arm.command((1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 5.0)
    arm.disconnect()
    at = robot.joints[0]
    time.sleep(0.3)
    assert abs(robot.joints[0] - at) < 0.2


def test_a_stop_is_not_carried_on_backwards(robot, connect):
    """After it the target falls back to where the joint is: that is no motion to go on with."""
    arm = connect("trajectory", control="joints")
    arm.command((1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 5.0)
    pan = robot.joints[0]
    until(lambda: robot.joints[0] > pan + 0.2)
    arm.stop()
    at = robot.joints[0]
    lowest = at
    for _ in range(30):
        time.sleep(0.01)
        lowest = min(lowest, robot.joints[0])
    assert lowest > at - 0.02


def test_fingers_that_tell_nothing_are_not_taken_for_closed(robot, monkeypatch):
    monkeypatch.setattr("robot_rl_nodes.ros2_control._FIRST_STATE_S", 1.0)
    jaw = {
        "topic": "/gripper_controller/joint_trajectory",
        "joint": "other",
        "closed": 1,
        "open": 0,
    }
    with pytest.raises(HardwareError, match="did not tell of other"):
        Ros2ControlArm("forward", "ur5e", gripper=jaw).connect()


def test_states_that_stop_or_are_old_are_told_and_recovered_from(robot, connect):
    arm = connect("forward")
    robot.silent = True
    with pytest.raises(HardwareError, match=r"s old|not read"):
        until(lambda: arm.state() is None)
    until(lambda: arm._error is not None)
    robot.silent = False
    arm.recover()
    at = robot.joints.copy()
    time.sleep(0.2)
    np.testing.assert_allclose(robot.joints, at, atol=1e-3)
    robot.late_s = 1.0
    with pytest.raises(HardwareError, match=r"clocks of both machines|not read"):
        until(lambda: arm.state() is None)


def test_nobody_there_and_bad_settings(monkeypatch):
    monkeypatch.setattr("robot_rl_nodes.ros2_control._FIRST_STATE_S", 0.3)
    with pytest.raises(HardwareError, match="joint_state_broadcaster"):
        Ros2ControlArm("forward", "ur5e", states="/nobody").connect()
    for settings, said in (
        ({"interface": "torque", "model": "ur5e"}, "choose of trajectory"),
        ({"interface": "twist", "model": "ur5e", "control": "joints"}, "the tool alone"),
        ({"interface": "forward", "model": "ur5e", "joints": ["a", "b"]}, "6 joints, and these"),
    ):
        with pytest.raises(ConfigError, match=said):
            Ros2ControlArm(**settings)

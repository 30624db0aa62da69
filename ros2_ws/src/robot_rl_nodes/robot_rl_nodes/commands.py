"""Commands for every axis of an arm, out on two topics: a twist, and before it a trajectory."""

from collections.abc import Sequence

from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from hardware.announced import RobotFeatures
from hardware.ros_messages import TWIST
from robot_rl.axes import Vector
from robot_rl_nodes import graph
from robot_rl_nodes.messages import to_time, to_trajectory, to_twist
from robot_rl_nodes.spin import flush


class CommandPublisher:
    """Rates of the tool go as the twist, all else as the trajectory; `CommandReader` joins them."""

    def __init__(self, node: Node, twist: str, joints: str, robot: RobotFeatures) -> None:
        self._robot = robot
        axes = robot.arm.axes
        places = {axis.name: i for i, axis in enumerate(axes) if axis.by == "rate"}
        self._twist_places = [places.get(name) for name in TWIST]
        carried = set(self._twist_places)
        self._joint_places = [i for i in range(len(axes)) if i not in carried]
        self._joint_axes = [axes[i] for i in self._joint_places]
        self._twist = node.create_publisher(TwistStamped, twist, graph.COMMAND)
        self._joints = node.create_publisher(JointTrajectory, joints, graph.COMMAND)

    def send(self, values: Vector, position: Vector, stamp_s: float) -> None:
        """A number for each axis, which stands at `position`."""
        if self._joint_axes:
            self._joints.publish(
                to_trajectory(
                    self._joint_axes,
                    [values[i] for i in self._joint_places],
                    [position[i] for i in self._joint_places],
                    self._robot.period_s,
                    stamp_s,
                )
            )
        self._publish_twist([0.0 if i is None else values[i] for i in self._twist_places], stamp_s)

    def hold(self, stamp_s: float) -> None:
        """Nothing moves, whatever the axes are: no rate, and no level either."""
        if self._joint_axes:
            names = [axis.name for axis in self._joint_axes]
            message = JointTrajectory(joint_names=names)
            message.header.stamp = to_time(stamp_s)
            self._joints.publish(message)
        self._publish_twist([0.0] * len(TWIST), stamp_s)

    def flush(self) -> None:
        """Wait until what was sent has arrived."""
        flush(self._twist)

    def _publish_twist(self, rates: Sequence[float], stamp_s: float) -> None:
        self._twist.publish(to_twist(rates[:3], rates[3:], stamp_s, self._robot.arm.base_frame))

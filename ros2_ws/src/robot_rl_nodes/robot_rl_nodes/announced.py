"""What arm and cameras announce, latched: nodes wait for it before they do anything."""

from collections.abc import Callable
from typing import TypeVar

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String

from hardware.announced import RobotFeatures, camera_from_json
from hardware.camera import CameraFeatures
from robot_rl.errors import HardwareError
from robot_rl_nodes import graph

_TELL_S = 5.0

T = TypeVar("T")


def await_robot(node: Node) -> RobotFeatures:
    """What the arm is. A later announcement of another one ends the node."""
    return _await(node, graph.ARM_FEATURES, RobotFeatures.from_json, "the arm")


def await_camera(node: Node, namespace: str) -> CameraFeatures:
    """The same of the camera in `namespace`."""
    return _await(node, f"{namespace}/{graph.CAMERA_FEATURES}", camera_from_json, "the camera")


def _await(node: Node, topic: str, parse: Callable[[str], T], what: str) -> T:
    found = _first(node, topic, parse, what)

    def hear(message: String) -> None:
        if parse(message.data) != found:
            raise HardwareError(
                f"{what} on {topic} is another one than at the start. Start this node again."
            )

    node.create_subscription(String, topic, hear, graph.LATCHED)
    return found


def _first(node: Node, topic: str, parse: Callable[[str], T], what: str) -> T:
    """Heard by a node of its own: `node` is not ready to answer anybody yet."""
    ear = Node(f"{node.get_name()}_waiting", context=node.context, use_global_arguments=False)
    found: list[T] = []
    ear.create_subscription(
        String, topic, lambda message: found.append(parse(message.data)), graph.LATCHED
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(ear)
    try:
        while not found:
            executor.spin_once(timeout_sec=_TELL_S)
            if not found:
                node.get_logger().info(
                    f"waiting for {what}: nobody announces {topic} yet.",
                    throttle_duration_sec=_TELL_S,
                )
    finally:
        executor.shutdown()
        ear.destroy_node()
    return found[0]

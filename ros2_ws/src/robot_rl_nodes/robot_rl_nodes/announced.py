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
    found: list[T] = []

    def hear(message: String) -> None:
        told = parse(message.data)
        if found and told != found[0]:
            raise HardwareError(
                f"{what} on {topic} is another one than at the start. Start this node again."
            )
        found[:] = [told]

    node.create_subscription(String, topic, hear, graph.LATCHED)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    try:
        while not found:
            executor.spin_once(timeout_sec=_TELL_S)
            if not found:
                node.get_logger().info(
                    f"waiting for {what}: nobody announces {topic} yet.",
                    throttle_duration_sec=_TELL_S,
                )
    finally:
        executor.remove_node(node)
        executor.shutdown()
    return found[0]

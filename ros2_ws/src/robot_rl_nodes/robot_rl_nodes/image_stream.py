"""A subscription to pictures that listens again where it is deaf."""

from collections.abc import Callable

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from robot_rl_nodes import graph

_DEAF_S = 2.0


class ImageStream:
    """Calls `take` with every picture of `topic`.

    Now and then a best-effort reader stays deaf while its neighbours are served (docs/ros2.md,
    "Known"): one that hears nothing although somebody publishes is replaced.
    """

    def __init__(self, node: Node, topic: str, take: Callable[[Image], None]) -> None:
        self._node, self._topic, self._take = node, topic, take
        self._heard = self._published = False
        self.renewals = 0
        self._subscription = self._listen()
        node.create_timer(_DEAF_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _listen(self) -> Subscription:
        return self._node.create_subscription(Image, self._topic, self._hear, graph.IMAGE_IN)

    def _hear(self, message: Image) -> None:
        self._heard = True
        self._take(message)

    def _check(self) -> None:
        """A publisher that was there two checks in a row had time to be heard."""
        published = self._node.count_publishers(self._topic) > 0
        if published and self._published and not self._heard:
            self._renew()
        self._published, self._heard = published, False

    def _renew(self) -> None:
        self.renewals += 1
        self._node.get_logger().warning(
            f"{self._topic} is published and nothing was heard for {_DEAF_S:g} s: listening again.",
            throttle_duration_sec=30.0,
        )
        self._node.destroy_subscription(self._subscription)
        self._subscription = self._listen()

"""Pictures are listened for again where nothing is heard of what is published."""

import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from robot_rl_nodes import graph
from robot_rl_nodes.image_stream import ImageStream

TOPIC = "/eye/image_raw"


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("listener", context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


class Listener:
    """A stream, what it heard, and the executor that serves it."""

    def __init__(self, node: Node) -> None:
        self.heard: list[int] = []
        self.stream = ImageStream(node, TOPIC, lambda message: self.heard.append(message.width))
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)

    def until(self, condition: Callable[[], bool], each: Callable[[], None] = lambda: None) -> None:
        end_s = time.monotonic() + 60.0
        while not condition():
            assert time.monotonic() < end_s
            each()
            self._executor.spin_once(timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end_s)


def test_a_silent_publisher_is_listened_to_again_and_then_heard(node):
    listener = Listener(node)
    out = node.create_publisher(Image, TOPIC, graph.IMAGE_OUT)
    listener.until(lambda: listener.stream.renewals >= 2)
    assert node.count_subscribers(TOPIC) == 1
    number = count(1)
    listener.until(
        lambda: len(listener.heard) >= 3, each=lambda: out.publish(Image(width=next(number)))
    )
    assert listener.heard == sorted(set(listener.heard))


def test_where_nobody_publishes_nothing_is_renewed(node):
    listener = Listener(node)
    listener.spin(6.5)
    assert listener.stream.renewals == 0


def test_what_is_heard_is_left_alone(node):
    listener = Listener(node)
    out = node.create_publisher(Image, TOPIC, graph.IMAGE_OUT)
    end_s = time.monotonic() + 6.5
    listener.until(lambda: time.monotonic() > end_s, each=lambda: out.publish(Image(width=1)))
    assert listener.stream.renewals == 0

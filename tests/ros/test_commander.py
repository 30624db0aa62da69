"""The arm listens to one node, whoever else talks on its topic."""

import os
import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header

from robot_rl_nodes import graph
from robot_rl_nodes.commander import Commander

TOPIC = "/commands"


def new_context() -> rclpy.Context:
    context = rclpy.Context()
    rclpy.init(context=context)
    return context


class Ears:
    """A node that hears `TOPIC`, and what it thinks of each message."""

    def __init__(self) -> None:
        self.node = Node("arm", context=new_context())
        self.speakers: list[Node] = []
        self.commander = Commander(self.node, "safety_node")
        self.heard: list[tuple[str, str | None]] = []
        self.hide_sender = False
        self.node.create_subscription(Header, TOPIC, self._take, graph.COMMAND)
        self._executor = SingleThreadedExecutor(context=self.node.context)
        self._executor.add_node(self.node)

    def _take(self, message: Header, info: dict) -> None:
        shown = {} if self.hide_sender else info
        self.heard.append((message.frame_id, self.commander.stranger(TOPIC, shown)))

    def verdict(self, speaker: Node) -> str | None:
        """Let `speaker` talk until it is heard."""
        (publisher,) = [p for p in speaker.publishers if p.topic_name == TOPIC]
        self.heard.clear()
        end_s = time.monotonic() + 20.0
        while not any(word == speaker.get_name() for word, _ in self.heard):
            assert time.monotonic() < end_s
            publisher.publish(Header(frame_id=speaker.get_name()))
            self._executor.spin_once(timeout_sec=0.05)
        return self.heard[-1][1]

    def settled(self, speaker: Node) -> str | None:
        """The verdict once the graph shows who `speaker` is."""
        end_s = time.monotonic() + 20.0
        while (found := self.verdict(speaker)) == "a node that the graph does not show yet":
            assert time.monotonic() < end_s
        return found


@pytest.fixture
def ears() -> Iterator[Ears]:
    os.environ["ROS_DOMAIN_ID"] = "97"
    found = Ears()
    yield found
    for context in (found.node.context, *(node.context for node in found.speakers)):
        rclpy.try_shutdown(context=context)


def speaker(ears: Ears, name: str) -> Node:
    """In a context of its own, as in another process."""
    node = Node(name, context=new_context())
    node.create_publisher(Header, TOPIC, graph.COMMAND)
    ears.speakers.append(node)
    return node


def test_only_the_named_node_is_obeyed_and_a_stranger_is_named(ears):
    rogue, safety = speaker(ears, "rogue"), speaker(ears, "safety_node")
    assert ears.settled(rogue) == "rogue"
    assert ears.settled(safety) is None
    assert ears.settled(rogue) == "rogue"
    assert ears.settled(safety) is None


def test_a_second_node_of_the_same_name_waits_until_the_first_is_gone(ears):
    first = speaker(ears, "safety_node")
    assert ears.settled(first) is None
    second = speaker(ears, "safety_node")
    assert ears.settled(second) == "a second safety_node"
    assert ears.settled(first) is None
    first.destroy_node()
    end_s = time.monotonic() + 20.0
    while ears.settled(second) is not None:
        assert time.monotonic() < end_s


def test_without_a_gid_the_named_node_must_be_the_only_one(ears):
    ears.hide_sender = True
    safety = speaker(ears, "safety_node")
    assert ears.settled(safety) is None
    rogue = speaker(ears, "rogue")
    end_s = time.monotonic() + 20.0
    while ears.node.count_publishers(TOPIC) < 2:  # the graph is all there is to go by
        assert time.monotonic() < end_s
        time.sleep(0.01)
    assert ears.settled(rogue) == "one of rogue, safety_node"
    assert ears.settled(safety) == "one of rogue, safety_node"


def test_whoever_is_not_discovered_yet_is_not_given_a_name(ears):
    assert ears.commander.stranger("/nobody", {}) == "a node that the graph does not show yet"

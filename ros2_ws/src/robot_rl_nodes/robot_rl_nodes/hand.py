"""A human's hand on the graph, moved by a program: its dead-man, and what it commands."""

import time

from rclpy.node import Node
from std_msgs.msg import Header

from hardware.announced import RobotFeatures
from robot_rl.axes import Vector
from robot_rl_nodes import graph
from robot_rl_nodes.commands import CommandPublisher
from robot_rl_nodes.messages import to_time


class Hand:
    """What a teleop node sends: `drive` takes over, `let_go` hands back.

    `beat` goes on between two commands, at 50 Hz; whoever stops driving must let go. There is one
    hand: a teleop node beside one that drives is a second publisher, for which safety stops. One
    that never drove publishes nothing.
    """

    def __init__(self, node: Node, robot: RobotFeatures) -> None:
        self._node, self._robot = node, robot
        self._deadman = node.create_publisher(Header, graph.TELEOP_DEADMAN, graph.COMMAND)
        self._commands: CommandPublisher | None = None
        self.held = False

    def drive(self, command: Vector, position: Vector) -> None:
        self.held = True
        self.beat()
        self._publisher().send(command, position, time.time())

    def beat(self) -> None:
        if self.held:
            self._say("held")

    def let_go(self) -> None:
        if self.held:
            self.held = False
            self._publisher().hold(time.time())
            self._say("released")

    def _publisher(self) -> CommandPublisher:
        if self._commands is None:
            self._commands = CommandPublisher(
                self._node, graph.TELEOP_TWIST, graph.TELEOP_JOINTS, self._robot
            )
        return self._commands

    def _say(self, word: str) -> None:
        self._deadman.publish(Header(stamp=to_time(time.time()), frame_id=word))

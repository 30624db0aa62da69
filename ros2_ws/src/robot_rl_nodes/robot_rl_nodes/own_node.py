"""A node for a process that is none: a driver, or whoever learns."""

import threading

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

_LEAVE_S = 10.0


class OwnNode:
    """`node` in a context of its own; from `start` on a thread answers for it."""

    def __init__(self, name: str) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = Node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)

    def start(self) -> None:
        self._executor.add_node(self.node)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        if self._thread.is_alive():
            self._thread.join(_LEAVE_S)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

"""Runs one node and owns the signals, so that a last hold can still be published."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from robot_rl.errors import RobotRLError


class Leaving(Protocol):
    """A node that says goodbye: an arm is told to hold, files are closed."""

    def leave(self) -> None: ...
    def destroy_node(self) -> None: ...


def run(make_node: Callable[[], Leaving]) -> int:
    """Spin until SIGINT or SIGTERM, then `leave`. 1 after an error, said in one line.

    rclpy's own handlers would end the context before anything can be published.
    """
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = make_node()
    except RobotRLError as error:
        return _end(None, f"{error}")
    stop = threading.Event()
    executor = SingleThreadedExecutor()
    executor.add_node(node)  # type: ignore[arg-type]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: (stop.set(), executor.wake()))
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=0.2)
    except RobotRLError as error:
        return _end(node, f"{error}")
    except Exception as error:
        if os.environ.get("ROBOT_RL_DEBUG"):
            traceback.print_exc()
        return _end(node, f"unexpected {type(error).__name__}: {error}")
    return _end(node, "")


def _end(node: Leaving | None, error: str) -> int:
    if node is not None:
        node.leave()
        node.destroy_node()
    rclpy.try_shutdown()
    if error:
        print(f"robot-rl: {' '.join(error.split())}", file=sys.stderr, flush=True)
    return int(bool(error))

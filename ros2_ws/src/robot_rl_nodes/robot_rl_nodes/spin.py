"""Runs one node and owns the signals, so that a last hold can still be published."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions

from robot_rl.deploy.urgency import hurry
from robot_rl.errors import RobotRLError
from robot_rl_nodes.shared_memory import sweep
from robot_rl_nodes.transport import choose_profile

_FLUSH_S = 0.3


class Leaving(Protocol):
    """A node that says goodbye: an arm is told to hold, files are closed."""

    def leave(self) -> None: ...
    def destroy_node(self) -> None: ...


def flush(publisher: Publisher) -> None:
    """Wait until what was published has arrived: destroying a publisher drops what has not."""
    publisher.wait_for_all_acked(Duration(seconds=_FLUSH_S))


def explain(error: Exception) -> str:
    """One line; with ROBOT_RL_DEBUG set, the traceback of what nobody foresaw as well."""
    if isinstance(error, RobotRLError):
        return str(error)
    if os.environ.get("ROBOT_RL_DEBUG"):
        traceback.print_exception(error)
    return f"unexpected {type(error).__name__}: {error}"


def run(make_node: Callable[[], Leaving], rank: int = 0) -> int:
    """Spin until SIGINT or SIGTERM, then `leave`. 1 after an error, said in one line.

    `rank` is that of the control path in `urgency`; 0 takes its turn like any other process.

    rclpy's own handlers would end the context before anything can be published.
    """
    choose_profile()
    sweep()
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = make_node()
    except RobotRLError as error:
        return _end(str(error))
    except KeyboardInterrupt:
        return _end("")  # while it waited for the robot: nothing was begun
    stop = threading.Event()
    executor = SingleThreadedExecutor()
    executor.add_node(node)  # type: ignore[arg-type]
    refused = hurry(rank) if rank else ""
    if refused:
        executor.get_nodes()[0].get_logger().info(refused)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: (stop.set(), executor.wake()))
    error = _spin(executor, stop)
    node.leave()
    executor.shutdown()
    node.destroy_node()
    return _end(error)


def _spin(executor: SingleThreadedExecutor, stop: threading.Event) -> str:
    """What went wrong, empty where nothing did."""
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=0.2)
    except Exception as error:
        return explain(error)
    return ""


def _end(error: str) -> int:
    rclpy.try_shutdown()
    if error:
        print(f"robot-rl: {' '.join(error.split())}", file=sys.stderr, flush=True)
    return int(bool(error))

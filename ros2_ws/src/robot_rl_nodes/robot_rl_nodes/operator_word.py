"""A person's word, for which an arm waits that nobody else may set in motion."""

import threading
import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from robot_rl.errors import HardwareError
from robot_rl_nodes import graph
from robot_rl_nodes.messages import to_diagnostics

_PATIENCE_S = 3600.0
_ARMED_S = 1.0
_TELL_S = 0.5
_WAITS = "set the scene up, then press Arm"


class OperatorWord:
    """The button Arm of the operator's page, or whoever calls `/policy/reset`.

    It counts once safety is `armed`. `heard` is called with each, on the thread of `node`.
    """

    def __init__(self, node: Node, armed: threading.Event, heard: Callable[[], object]) -> None:
        self._node, self._armed, self._heard = node, armed, heard
        self._said = threading.Event()
        self._health = node.create_publisher(DiagnosticArray, graph.DIAGNOSTICS, graph.STATE)
        self._ended = False
        node.create_service(Trigger, graph.POLICY_RESET, self._hear)
        node.create_subscription(Header, graph.TELEOP_SAID, self._hear_end, graph.STATE)

    def wait(self) -> bool:
        """The page shows what for. False where the operator ends the session instead; raises
        `HardwareError` where nobody comes."""
        self._node.get_logger().info(f"{_WAITS} ({graph.SAFETY_RESET}, {graph.POLICY_RESET})")
        until_s, armed = time.monotonic() + _PATIENCE_S, False
        while not armed:
            self._said.clear()
            while not (self._ended or self._said.wait(_TELL_S)):  # he may have said so before
                self._tell(_WAITS)
                if time.monotonic() > until_s:
                    raise HardwareError(f"nobody said within {_PATIENCE_S:g} s that it may move.")
            # What safety says is told by somebody else, and may come later.
            armed = self._ended or self._armed.wait(_ARMED_S)
        self._tell("")
        return not self._ended

    def _hear(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._heard()
        self._said.set()
        response.success, response.message = True, "a new episode"
        return response

    def _hear_end(self, message: Header) -> None:
        self._ended |= message.frame_id == "stop"
        if self._ended:
            self._said.set()

    def _tell(self, waits: str) -> None:
        level = DiagnosticStatus.WARN if waits else DiagnosticStatus.OK
        self._health.publish(to_diagnostics("policy", waits, (), time.time(), level))

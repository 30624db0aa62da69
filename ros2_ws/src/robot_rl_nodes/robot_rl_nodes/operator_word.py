"""A person's word, for which an arm waits that nobody else may set in motion."""

import threading
import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
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
        node.create_service(Trigger, graph.POLICY_RESET, self._hear)

    def wait(self) -> None:
        """The page shows what for. Raises `HardwareError` where nobody comes."""
        self._node.get_logger().info(f"{_WAITS} ({graph.SAFETY_RESET}, {graph.POLICY_RESET})")
        until_s, armed = time.monotonic() + _PATIENCE_S, False
        while not armed:
            self._said.clear()
            while not self._said.wait(_TELL_S):
                self._tell(_WAITS)
                if time.monotonic() > until_s:
                    raise HardwareError(f"nobody said within {_PATIENCE_S:g} s that it may move.")
            armed = self._armed.wait(_ARMED_S)  # told by somebody else, it may come later
        self._tell("")

    def _hear(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._heard()
        self._said.set()
        response.success, response.message = True, "a new episode"
        return response

    def _tell(self, waits: str) -> None:
        level = DiagnosticStatus.WARN if waits else DiagnosticStatus.OK
        self._health.publish(to_diagnostics("policy", waits, (), time.time(), level))

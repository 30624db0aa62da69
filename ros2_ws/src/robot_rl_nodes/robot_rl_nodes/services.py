"""What a node asks of others: each refusal, and each silence, is told by the service's name."""

import time
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from std_srvs.srv import Trigger

from robot_rl.errors import HardwareError
from robot_rl_nodes import graph

_START_S = 60.0
_CALL_S = 10.0
_AGAIN_S = 0.1


class Services:
    """Called by `node`, which another thread turns. All raise `HardwareError`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clients: dict[str, Any] = {}

    def require(self, kind: Any, name: str) -> Any:
        """A client of the service, once somebody offers it."""
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
        if not self._clients[name].wait_for_service(_START_S):
            raise HardwareError(f"nobody offers {name}. Is its node running?")
        return self._clients[name]

    def call(self, kind: Any, name: str, request: Any) -> Any:
        answer = self.require(kind, name).call(request, timeout_sec=_CALL_S)
        if answer is None:
            raise HardwareError(f"{name} did not answer within {_CALL_S:g} s.")
        return answer

    def trigger(self, name: str) -> None:
        answer = self.call(Trigger, name, Trigger.Request())
        if not answer.success:
            raise HardwareError(f"{name} refused: {answer.message}")

    def arm(self, armed: Callable[[], bool] = lambda: True) -> None:
        """Until safety says yes and it is `armed`. A cause may last for a moment: the first
        pictures of a new scene are on their way."""
        until_s = time.monotonic() + _CALL_S
        while True:
            answer = self.call(Trigger, graph.SAFETY_RESET, Trigger.Request())
            if answer.success and armed():
                return
            if time.monotonic() > until_s:
                raise HardwareError(f"{graph.SAFETY_RESET} refused: {answer.message}.")
            time.sleep(_AGAIN_S)

    def set_up(self, seed: int) -> None:
        """The simulated robot's scene of this seed."""
        value = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=seed)
        request = SetParameters.Request(parameters=[Parameter(name="seed", value=value)])
        self.call(SetParameters, "/sim_robot_node/set_parameters", request)
        self.trigger(graph.SIM_RESET)

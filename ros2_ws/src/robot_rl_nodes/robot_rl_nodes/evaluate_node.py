"""Runs episodes on the simulated robot through the whole graph and counts the successes."""

import json
import sys
import threading
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger

from robot_rl.errors import HardwareError, RobotRLError
from robot_rl_nodes import graph
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.services import Services
from robot_rl_nodes.transport import choose_profile

_HELD_OUT_SEED = 2**32  # robot_rl.training.evaluate counts from here too
_SETTLE_S = 2.0
_TOLD_S = 1.2  # within which the policy node has told its health once more


class EvaluateNode(Node):
    """An operator without hands: resets the scene, arms, starts the policy and watches."""

    def __init__(self) -> None:
        super().__init__("evaluate_node")
        parameters = Parameters(self)
        self.episodes = parameters.count("episodes", 20, "how many episodes", 1, 1000)
        self.episode_s = parameters.number("episode_s", 4.0, "length of an episode, s", 0.5, 600.0)
        self.record = parameters.flag("record", False, "let the recorder write every episode")
        self._succeeded = threading.Event()
        self._stopped = threading.Event()
        self.create_subscription(Bool, graph.SIM_SUCCESS, self._see_success, graph.LATCHED)
        self.create_subscription(Bool, graph.ESTOP, self._see_stop, graph.LATCHED)
        self.create_subscription(DiagnosticArray, graph.DIAGNOSTICS, self._see_health, graph.STATE)
        self.deadlines = {"decisions": 0, "deadline_misses": 0}  # of the policy node
        self._ask = Services(self)

    def prepare(self) -> None:
        """Wait for the whole graph, and bring the policy node to `inactive`."""
        self._ask.require(Trigger, graph.SIM_RESET)
        self._ask.require(Trigger, graph.SAFETY_RESET)
        if self.record:
            self._ask.require(SetBool, graph.EPISODE_SUCCESS)
        state = self._ask.call(GetState, "/policy_node/get_state", GetState.Request())
        at = state.current_state.id
        if at == State.PRIMARY_STATE_UNCONFIGURED:
            self._transition(Transition.TRANSITION_CONFIGURE)
        elif at == State.PRIMARY_STATE_ACTIVE:
            self._transition(Transition.TRANSITION_DEACTIVATE)
        time.sleep(_SETTLE_S)  # discovery of the last topics, and the start-up load, to pass

    def run_episode(self, index: int) -> bool:
        """Whether the task's own success test passed in time. A latched stop ends the episode."""
        self._ask.set_up(_HELD_OUT_SEED + index)
        self._ask.arm()
        if self.record:
            self._ask.trigger(graph.EPISODE_START)
        self._succeeded.clear()
        self._stopped.clear()
        self._transition(Transition.TRANSITION_ACTIVATE)
        end_s = time.monotonic() + self.episode_s
        while time.monotonic() < end_s and not self._succeeded.is_set():
            if self._stopped.is_set():
                self.get_logger().warning(f"episode {index}: safety stopped the arm")
                break
            time.sleep(0.01)
        self._transition(Transition.TRANSITION_DEACTIVATE)
        success = self._succeeded.is_set()
        if self.record:
            mark = SetBool.Request(data=success)
            self._ask.call(SetBool, graph.EPISODE_SUCCESS, mark)
            self._ask.trigger(graph.EPISODE_STOP)
        return success

    def _see_success(self, message: Bool) -> None:
        if message.data:
            self._succeeded.set()

    def _see_stop(self, message: Bool) -> None:
        if message.data:
            self._stopped.set()

    def _see_health(self, message: DiagnosticArray) -> None:
        for status in message.status:
            told = {pair.key: pair.value for pair in status.values}
            if self.deadlines.keys() <= told.keys():
                self.deadlines = {key: int(float(told[key])) for key in self.deadlines}

    def _transition(self, number: int) -> None:
        request = ChangeState.Request(transition=Transition(id=number))
        if not self._ask.call(ChangeState, "/policy_node/change_state", request).success:
            raise HardwareError("the policy node refused to change its state.")


def evaluate(node: EvaluateNode) -> list[bool]:
    """The outcome of every episode, each also told in one line of JSON; then all of them, with
    the decisions of the policy node and those that came too late."""
    node.prepare()
    successes = []
    for index in range(node.episodes):
        successes.append(node.run_episode(index))
        print(json.dumps({"episode": index, "success": successes[-1]}), flush=True)
    rate = sum(successes) / len(successes)
    time.sleep(_TOLD_S)
    told = {"episodes": len(successes), "success_rate": rate, **node.deadlines}
    print(json.dumps(told), flush=True)
    return successes


def main() -> None:
    choose_profile()
    rclpy.init(args=sys.argv)
    executor = SingleThreadedExecutor()
    spinning = threading.Thread(target=executor.spin, daemon=True)
    complaint = ""
    try:
        node = EvaluateNode()
        executor.add_node(node)
        spinning.start()
        evaluate(node)
    except RobotRLError as error:
        complaint = f"robot-rl: {error}"
    executor.shutdown()
    if spinning.is_alive():
        spinning.join(timeout=2.0)
    rclpy.try_shutdown()
    sys.exit(complaint or 0)


if __name__ == "__main__":
    main()

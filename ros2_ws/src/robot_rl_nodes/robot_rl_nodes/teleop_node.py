"""An operator on the graph: keyboard, joystick (`/joy`) or the web page, always with a dead-man."""

import sys
import time
from typing import Protocol

from geometry_msgs.msg import TwistStamped
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from hardware.ros_messages import GRIPPER_JOINT
from robot_rl.axes import GRIPPER, TCP_LINEAR
from robot_rl.errors import ConfigError
from robot_rl.interventions.keyboard import TerminalKeyboard
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.web import TeleopPage
from robot_rl_nodes import graph
from robot_rl_nodes.messages import WIRE_AXES, to_gripper, to_time, to_twist
from robot_rl_nodes.page_state import PageState
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import flush, run

_TICK_S = 0.02
_ANSWER_S = 3.0
_AXES = tuple(axis.name for axis in WIRE_AXES)
_STILL = (0.0,) * len(_AXES)


class Device(Protocol):
    def start(self) -> None: ...
    def close(self) -> None: ...


class TeleopNode(Node):
    """Heartbeats the dead-man at 50 Hz; commands at the control rate while it is held."""

    def __init__(self) -> None:
        super().__init__("teleop_node")
        p = Parameters(self)
        kind = p.text("device", "web", "what the operator holds", ("web", "joy", "keyboard"))
        self._period_s = 1.0 / p.number(
            "control_rate_hz", 10.0, "a command acts for one period of this rate", 1.0, 100.0
        )
        self._speed = p.numbers("speed", [0.15, 0.15, 0.15, 0.1], "full deflection, m/s", 4)
        silence_s = p.number("silence_s", 0.1, "a device silent for longer is lost", 0.02, 0.2)
        self._operator = OperatorState(silence_s)
        self._gripper_m = 0.0
        self._sent_s = 0.0
        self._was_held = False
        self._twist = self.create_publisher(TwistStamped, graph.TELEOP_TWIST, graph.COMMAND)
        self._gripper = self.create_publisher(JointTrajectory, graph.TELEOP_GRIPPER, graph.COMMAND)
        self._deadman = self.create_publisher(Header, graph.TELEOP_DEADMAN, graph.COMMAND)
        self._callers = {
            "stop": self.create_client(Trigger, graph.SAFETY_TRIGGER),
            "reset": self.create_client(Trigger, graph.SAFETY_RESET),
        }
        self._episode = self.create_client(Trigger, graph.POLICY_RESET)
        self.create_subscription(JointState, graph.JOINT_STATES, self._take_joints, graph.STATE)
        self._device = self._make_device(kind, p)
        self._device.start()
        self.create_timer(_TICK_S, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def leave(self) -> None:
        """Let go, and hold, before this node goes."""
        self._device.close()
        self._send(_STILL)
        self._beat("released")
        flush(self._twist)
        flush(self._deadman)

    # ----------------------------------------------------------------- devices

    def _make_device(self, kind: str, p: Parameters) -> Device:
        if kind == "keyboard":
            return TerminalKeyboard(self._operator, _AXES)
        if kind == "joy":
            return JoyDevice(self, self._operator, p)
        camera = p.text("camera", "/camera", "namespace of the image shown")
        bars = p.numbers("bar_m_s", [0.3, 0.3, 0.3, 0.2], "full length of the action bars, m/s", 4)
        page = PageState(self, camera, bars)
        host = p.text("host", "127.0.0.1", "0.0.0.0 lets other machines in")
        port = p.count("port", 8090, "port of the page; 0 takes a free one", 0, 65535)
        token = p.text("token", "", "empty draws a new one at every start")
        if host not in ("127.0.0.1", "localhost", "::1"):
            self.get_logger().warning(f"the page listens on {host}: others can reach it.")
        web = TeleopPage(
            self._operator,
            _AXES,
            page.state,
            page.frame,
            {name: lambda n=name: self._call(n) for name in self._callers},
            host,
            port,
            token,
        )
        return AnnouncedPage(web)

    def _call(self, name: str) -> str:
        client = self._callers[name]
        if not client.wait_for_service(_ANSWER_S):
            return "the safety node does not answer"
        answer = client.call(Trigger.Request(), timeout_sec=_ANSWER_S)
        if answer is None:
            return "no answer"
        armed = name == "reset" and answer.success
        return self._let_policy_go(answer.message) if armed else answer.message

    def _let_policy_go(self, armed: str) -> str:
        """The button "Arm" is the explicit word that an active policy waits for after a reset."""
        if not self._episode.service_is_ready():
            return armed
        answer = self._episode.call(Trigger.Request(), timeout_sec=_ANSWER_S)
        return f"{armed}; {answer.message if answer else 'the policy does not answer'}"

    def _take_joints(self, message: JointState) -> None:
        if GRIPPER_JOINT in message.name:
            self._gripper_m = message.position[list(message.name).index(GRIPPER_JOINT)]

    # ---------------------------------------------------------------- commands

    def _tick(self) -> None:
        if self._operator.lost:
            if self._was_held:
                self._beat("lost")
                self.get_logger().warning("the device fell silent with the dead-man held.")
            self._was_held = False
            return
        wish = self._operator.wish()
        if wish.held:
            self._beat("held")
            if time.monotonic() - self._sent_s >= self._period_s - 0.5 * _TICK_S:
                pairs = zip(_AXES, self._speed, strict=True)
                self._send(tuple(wish.axes.get(name, 0.0) * speed for name, speed in pairs))
        elif self._was_held:
            self._send(_STILL)
            self._beat("released")
        self._was_held = wish.held

    def _beat(self, word: str) -> None:
        self._deadman.publish(Header(stamp=to_time(time.time()), frame_id=word))

    def _send(self, velocity: tuple[float, ...]) -> None:
        self._sent_s, stamp_s = time.monotonic(), time.time()
        gripper = to_gripper(velocity[3], self._gripper_m, self._period_s, stamp_s)
        self._gripper.publish(gripper)
        self._twist.publish(to_twist(velocity, stamp_s, "base_link"))


class AnnouncedPage:
    """The web page, with its address printed: the token is in it."""

    def __init__(self, page: TeleopPage) -> None:
        self.page = page

    def start(self) -> None:
        self.page.start()
        print(f"operator's page: {self.page.url}", flush=True)

    def close(self) -> None:
        self.page.close()


class JoyDevice:
    """`sensor_msgs/Joy`, as `joy_node` sends it with autorepeat."""

    def __init__(self, node: Node, operator: OperatorState, p: Parameters) -> None:
        self._operator = operator
        self._deadman = p.count("deadman_button", 4, "button that is held to drive", 0, 63)
        self._axes = {
            axis: p.count(f"axis_{axis[-1]}", default, f"joystick axis of {axis}", 0, 63)
            for axis, default in zip(TCP_LINEAR, (1, 0, 4), strict=True)
        }
        self._open = p.count("open_button", 0, "button that opens the gripper", 0, 63)
        self._close = p.count("close_button", 1, "button that closes the gripper", 0, 63)
        self._deadzone = p.number("deadzone", 0.08, "deflection that counts as none", 0.0, 0.5)
        node.create_subscription(Joy, "/joy", self._take, graph.COMMAND)

    def start(self) -> None:
        """Nothing to open: joy_node owns the device."""

    def close(self) -> None:
        self._operator.release()

    def _take(self, message: Joy) -> None:
        buttons, axes = message.buttons, message.axes
        needed = max(self._deadman, self._open, self._close), max(self._axes.values())
        if len(buttons) <= needed[0] or len(axes) <= needed[1]:
            raise ConfigError(
                f"the joystick has {len(buttons)} buttons and {len(axes)} axes; the parameters "
                f"name button {needed[0]} and axis {needed[1]}."
            )
        wish = {name: axes[i] for name, i in self._axes.items() if abs(axes[i]) > self._deadzone}
        wish[GRIPPER] = float(buttons[self._open] - buttons[self._close])
        self._operator.set(bool(buttons[self._deadman]), wish)


def main() -> None:
    sys.exit(run(TeleopNode))


if __name__ == "__main__":
    main()

"""An operator on the graph: keyboard, joystick (`/joy`) or the web page, always with a dead-man."""

import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from hardware.arm import ArmState
from robot_rl.axes import GRIPPER, Axis, Vector
from robot_rl.deploy import urgency
from robot_rl.errors import ConfigError
from robot_rl.interventions.keyboard import TerminalKeyboard, require_terminal
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.web import TeleopPage, sayings
from robot_rl_nodes import graph
from robot_rl_nodes.announced import await_robot
from robot_rl_nodes.commands import CommandPublisher
from robot_rl_nodes.messages import subscribe_state, to_time
from robot_rl_nodes.page_state import PageState
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import flush, run

_TICK_S = 0.02
_ANSWER_S = 3.0
# Full deflection by the unit of an axis, and of those where that is too much.
_SPEEDS = {"m": 0.15, "rad": 0.5, "N": 1.0}
_SPEED_OF = {GRIPPER: 0.1}
# Of a gamepad's two sticks, by what they move.
_STICKS = {"tcp_x": 1, "tcp_y": 0, "tcp_z": 4, "tcp_rz": 3}
_BAR = 2.0  # full length of the page's bars, in speeds at full deflection


class Device(Protocol):
    def start(self) -> None: ...
    def close(self) -> None: ...


class TeleopNode(Node):
    """Heartbeats the dead-man at 50 Hz; commands at the control rate while it is held."""

    def __init__(self) -> None:
        super().__init__("teleop_node")
        p = Parameters(self)
        kind = p.text("device", "web", "what the operator holds", ("web", "joy", "keyboard"))
        silence_s = p.number("silence_s", 0.1, "a device silent for longer is lost", 0.02, 0.2)
        self._operator = OperatorState(silence_s)
        self._sent_s = 0.0
        self._was_held = False
        self._callers = {
            "estop": self.create_client(Trigger, graph.SAFETY_TRIGGER),
            "arm": self.create_client(Trigger, graph.SAFETY_RESET),
        }
        self._recover = self.create_client(Trigger, graph.ARM_RECOVER)
        if kind == "keyboard":
            require_terminal()  # told before an arm is waited for
        robot = await_robot(self)
        self._arm, self._period_s = robot.arm, robot.period_s
        self._speeds = tuple(_speed(axis, p) for axis in robot.arm.axes)
        self._position: Vector | None = None
        self._commands = CommandPublisher(self, graph.TELEOP_TWIST, graph.TELEOP_JOINTS, robot)
        self._deadman = self.create_publisher(Header, graph.TELEOP_DEADMAN, graph.COMMAND)
        self._said = self.create_publisher(Header, graph.TELEOP_SAID, graph.STATE)
        self._episode = self.create_client(Trigger, graph.POLICY_RESET)
        subscribe_state(self, robot.arm, self._take_state)
        self._device = self._make_device(kind, p)
        self._device.start()
        self.create_timer(_TICK_S, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def leave(self) -> None:
        """Let go, and hold, before this node goes."""
        self._device.close()
        self._commands.hold(time.time())
        self._beat("released")
        self._commands.flush()
        flush(self._deadman)

    # ----------------------------------------------------------------- devices

    def _make_device(self, kind: str, p: Parameters) -> Device:
        names = [axis.name for axis in self._arm.axes]
        if kind == "keyboard":
            return TerminalKeyboard(self._operator, names)
        if kind == "joy":
            return JoyDevice(self, self._operator, names, p)
        camera = p.text("camera", "/camera", "namespace of the image shown")
        bounds = tuple(_BAR * speed for speed in self._speeds)
        page = PageState(self, camera, self._arm.axes, bounds)
        host = p.text("host", "127.0.0.1", "0.0.0.0 lets other machines in")
        port = p.count("port", 8090, "port of the page; 0 takes a free one", 0, 65535)
        token = p.text("token", "", "empty draws a new one at every start")
        if host not in ("127.0.0.1", "localhost", "::1"):
            self.get_logger().warning(f"the page listens on {host}: others can reach it.")
        web = TeleopPage(
            self._operator,
            names,
            page.state,
            page.frame,
            {**sayings(self._operator), **{n: partial(self._call, n) for n in self._callers}},
            host,
            port,
            token,
        )
        return AnnouncedPage(web)

    def _call(self, name: str) -> str:
        client = self._callers[name]
        if not client.wait_for_service(_ANSWER_S):
            return "the safety node does not answer"
        refused = self._recovered() if name == "arm" else ""
        if refused:
            return refused
        answer = client.call(Trigger.Request(), timeout_sec=_ANSWER_S)
        if answer is None:
            return "no answer"
        armed = name == "arm" and answer.success
        return self._let_policy_go(answer.message) if armed else answer.message

    def _recovered(self) -> str:
        """Why the arm stays in a fault of its own; empty where it does not."""
        answer = self._recover.call(Trigger.Request(), timeout_sec=_ANSWER_S)
        if answer is None:
            return "the arm does not answer"
        return "" if answer.success else f"the arm does not recover: {answer.message}"

    def _let_policy_go(self, armed: str) -> str:
        """The button "Arm" is the explicit word that an active policy waits for after a reset."""
        if not self._episode.service_is_ready():
            return armed
        answer = self._episode.call(Trigger.Request(), timeout_sec=_ANSWER_S)
        return f"{armed}; {answer.message if answer else 'the policy does not answer'}"

    def _take_state(self, state: ArmState) -> None:
        self._position = self._arm.reading(state).position

    # ---------------------------------------------------------------- commands

    def _tick(self) -> None:
        for event in self._operator.take_events():
            self._said.publish(Header(stamp=to_time(time.time()), frame_id=event))
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
                self._send(wish.axes)
        elif self._was_held:
            self._commands.hold(time.time())
            self._beat("released")
        self._was_held = wish.held

    def _beat(self, word: str) -> None:
        self._deadman.publish(Header(stamp=to_time(time.time()), frame_id=word))

    def _send(self, wish: Mapping[str, float]) -> None:
        """Deflections by axis; a level goes on from where it is."""
        if self._position is None:
            return
        self._sent_s = time.monotonic()
        rates = [
            wish.get(axis.name, 0.0) * speed
            for axis, speed in zip(self._arm.axes, self._speeds, strict=True)
        ]
        rows = zip(self._arm.axes, rates, self._position, strict=True)
        values = tuple(r if axis.by == "rate" else at + r * self._period_s for axis, r, at in rows)
        self._commands.send(values, self._position, time.time())


def _speed(axis: Axis, p: Parameters) -> float:
    """At full deflection, in the axis' unit per second."""
    default = _SPEED_OF.get(axis.name, _SPEEDS.get(axis.unit, 1.0))
    what = f"{axis.name} at full deflection, {axis.unit}/s"
    return p.number(f"speed.{axis.name}", default, what, 0.0, 1e3)


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

    def __init__(
        self, node: Node, operator: OperatorState, names: Sequence[str], p: Parameters
    ) -> None:
        self._operator = operator
        self._deadman = p.count("deadman_button", 4, "button that is held to drive", 0, 63)
        self._axes = {
            name: p.count(f"axis_{name.removeprefix('tcp_')}", place, f"moves {name}", 0, 63)
            for name, place in _STICKS.items()
            if name in names
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
        needed = max(self._deadman, self._open, self._close), max(self._axes.values(), default=0)
        if len(buttons) <= needed[0] or len(axes) <= needed[1]:
            raise ConfigError(
                f"the joystick has {len(buttons)} buttons and {len(axes)} axes; the parameters "
                f"name button {needed[0]} and axis {needed[1]}."
            )
        wish = {name: axes[i] for name, i in self._axes.items() if abs(axes[i]) > self._deadzone}
        wish[GRIPPER] = float(buttons[self._open] - buttons[self._close])  # if there is one
        self._operator.set(bool(buttons[self._deadman]), wish)


def main() -> None:
    sys.exit(run(TeleopNode, urgency.BODY))


if __name__ == "__main__":
    main()

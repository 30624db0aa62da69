"""The only publisher that the arm listens to: mux, filter, latched stop, heartbeat.

A software stop, not a safety-rated one: docs/safety.md.
"""

import dataclasses
import sys
import time
from functools import partial

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped, WrenchStamped
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, Header
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from hardware.arm import ArmState
from hardware.limits import read_safety, safety_limits
from hardware.ros_messages import CommandReader, to_image, to_seconds
from robot_rl.axes import Vector
from robot_rl.deploy import urgency
from robot_rl.deploy.camera_watch import CameraLimits, CameraWatch
from robot_rl.deploy.safety import SafetyFilter
from robot_rl.deploy.supervisor import HUMAN, NOBODY, POLICY, Supervisor, SupervisorLimits
from robot_rl.deploy.verdicts import ArmReading, Command, Now, Verdict
from robot_rl.envs.robot import SafetyConfig
from robot_rl.errors import ConfigError, HardwareError
from robot_rl_nodes import graph
from robot_rl_nodes.announced import await_robot
from robot_rl_nodes.commands import CommandPublisher
from robot_rl_nodes.image_stream import ImageStream
from robot_rl_nodes.messages import dropped_states, subscribe_state, to_diagnostics, to_time
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import run

_TICK_S = 0.02
_HEARTBEAT_S = 0.05
_GRAPH_CHECK_S = 0.1
_WATCHED = (graph.POLICY_TWIST, graph.TELEOP_TWIST, graph.ARM_TWIST)


class SafetyNode(Node):
    """Publishes every verdict; the rules are in `robot_rl.deploy`."""

    def __init__(self) -> None:
        super().__init__("safety_node")
        parameters = Parameters(self)
        cameras = parameters.texts("cameras", ["/camera"], "namespaces of the watched cameras")
        safety, ages_s = _safety(parameters), _ages(parameters)
        watches, silences = _watches(cameras, parameters), _silences(parameters)
        robot = await_robot(self)
        self._arm = robot.arm
        limits = safety_limits(safety, robot.arm, robot.period_s, **ages_s)
        self._supervisor = Supervisor(SafetyFilter(limits), watches, silences)
        self._readers = {source: CommandReader(robot.arm.axes) for source in (POLICY, HUMAN)}
        self._commands = CommandPublisher(self, graph.ARM_TWIST, graph.ARM_JOINTS, robot)
        self._reading: ArmReading | None = None
        self._force_n = 0.0
        self._refused_pictures = 0
        self._told_latched: bool | None = None
        self._told_human: bool | None = None
        self._applied_s = 0.0
        self._advertise()
        self._subscribe(cameras)
        self.create_service(Trigger, graph.SAFETY_TRIGGER, self._trigger)
        self.create_service(Trigger, graph.SAFETY_RESET, self._reset)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        # Judged after the inbox was read: what waits there while this process does is no silence.
        self._look = self.create_guard_condition(self._tick)
        self._punctuality = urgency.Punctuality(_TICK_S)
        self.create_timer(_TICK_S, self._wake, clock=steady)
        self.create_timer(_HEARTBEAT_S, self._beat, clock=steady)
        self.create_timer(_GRAPH_CHECK_S, self._count_publishers, clock=steady)
        self.create_timer(1.0, self._diagnose, clock=steady)
        self._tell()

    def leave(self) -> None:
        """The arm holds before this node goes."""
        self._supervisor.trigger()
        self._publish(self._supervisor.tick(Now.read()))
        self._commands.flush()

    def _advertise(self) -> None:
        self._estop = self.create_publisher(Bool, graph.ESTOP, graph.LATCHED)
        self._intervention = self.create_publisher(Bool, graph.INTERVENTION, graph.LATCHED)
        self._step = self.create_publisher(DiagnosticArray, graph.SAFETY_STEP, graph.STATE)
        self._heartbeat = self.create_publisher(Header, graph.HEARTBEAT, graph.STATE)
        self._diagnostics = self.create_publisher(DiagnosticArray, graph.DIAGNOSTICS, graph.STATE)

    def _subscribe(self, cameras: list[str]) -> None:
        sides = (
            (POLICY, graph.POLICY_JOINTS, graph.POLICY_TWIST),
            (HUMAN, graph.TELEOP_JOINTS, graph.TELEOP_TWIST),
        )
        for source, joints, twist in sides:
            self.create_subscription(
                JointTrajectory, joints, self._readers[source].joints, graph.COMMAND
            )
            self.create_subscription(
                TwistStamped, twist, partial(self._command, source), graph.COMMAND
            )
        self.create_subscription(Header, graph.TELEOP_DEADMAN, self._deadman, graph.COMMAND)
        self.create_subscription(Header, graph.POLICY_ACTIVATION, self._activated, graph.COMMAND)
        self._assembler = subscribe_state(self, self._arm, self._take_state)
        self.create_subscription(WrenchStamped, graph.WRENCH, self._take_force, graph.STATE)
        for camera in cameras:
            ImageStream(self, f"{camera}/image_raw", partial(self._see, camera))

    # ------------------------------------------------------------------ events

    def _command(self, source: str, message: TwistStamped) -> None:
        command = Command(
            values=self._values(source, message),
            source=source,
            stamp_s=to_seconds(message.header.stamp),
        )
        judge = self._supervisor.policy if source == POLICY else self._supervisor.human
        self._publish(judge(command, Now.read()))

    def _values(self, source: str, message: TwistStamped) -> Vector | None:
        """A command to joints that are not there has no number of axes that fits: it latches."""
        try:
            return self._readers[source].values(message)
        except HardwareError as error:
            self.get_logger().warning(f"{source}: {error}", throttle_duration_sec=5.0)
            return ()

    def _deadman(self, message: Header) -> None:
        if message.frame_id == "lost":
            self._publish(self._supervisor.operator_lost(Now.read()))
        else:
            self._publish(self._supervisor.deadman(message.frame_id == "held", Now.read()))
        self._tell()

    def _take_state(self, state: ArmState) -> None:
        self._reading = dataclasses.replace(self._arm.reading(state), force_n=self._force_n)
        self._supervisor.arm(self._reading)

    def _take_force(self, message: WrenchStamped) -> None:
        force = message.wrench.force
        self._force_n = (force.x**2 + force.y**2 + force.z**2) ** 0.5

    def _activated(self, message: Header) -> None:
        self._supervisor.activated(to_seconds(message.stamp))

    def _see(self, camera: str, message: Image) -> None:
        try:
            to_image(message)
        except HardwareError as error:
            self._refused_pictures += 1
            self.get_logger().warning(f"{camera}: {error}", throttle_duration_sec=5.0)
            self._supervisor.refused_camera(camera)
        else:
            self._supervisor.camera(
                camera, memoryview(message.data).cast("B"), to_seconds(message.header.stamp)
            )
        # A fault that a frame shows need not wait for the next tick.
        self._tick()

    # ------------------------------------------------------------------ timers

    def _wake(self) -> None:
        self._punctuality.tick()
        self._look.trigger()

    def _tick(self) -> None:
        verdict = self._supervisor.tick(Now.read())
        newly = self._supervisor.latched and not self._told_latched
        self._tell()
        if verdict is not None and (newly or time.monotonic() - self._applied_s >= _HEARTBEAT_S):
            self._publish(verdict)

    def _beat(self) -> None:
        self._heartbeat.publish(
            Header(stamp=to_time(time.time()), frame_id=self._supervisor.source)
        )

    def _count_publishers(self) -> None:
        self._supervisor.publishers(max(map(self.count_publishers, _WATCHED)))

    def _diagnose(self) -> None:
        safety = self._supervisor.safety
        latched = self._supervisor.latched
        values = [(str(reason), count) for reason, count in safety.counts.items()]
        values += [("source", self._supervisor.source)]
        values += [("refused_pictures", self._refused_pictures), *dropped_states(self._assembler)]
        text = "; ".join(map(str, safety.latch.reasons)) if latched else "armed"
        level = DiagnosticStatus.ERROR if latched else DiagnosticStatus.OK
        if not latched and self._supervisor.policy_waits(Now.read()):
            text += f"; the policy waits for {graph.POLICY_RESET} or an activation"
            level = DiagnosticStatus.WARN
        self._diagnostics.publish(to_diagnostics("safety", text, values, time.time(), level))

    # ---------------------------------------------------------------- services

    def _trigger(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._supervisor.trigger()
        self._tick()
        response.success, response.message = True, "stopped; call /safety/reset to arm again"
        return response

    def _reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self._supervisor.reset(Now.read())
        self._tell()
        return response

    # --------------------------------------------------------------------- out

    def _publish(self, verdict: Verdict | None) -> None:
        if verdict is None:
            return
        self._applied_s = time.monotonic()
        stamp_s = time.time()
        if verdict.hold or self._reading is None:
            self._commands.hold(stamp_s)
        else:
            self._commands.send(verdict.applied, self._reading.position, stamp_s)
        if verdict.source != NOBODY and self._reading is not None:
            self._tell_step(verdict, self._reading, stamp_s)
        self._tell()

    def _tell_step(self, verdict: Verdict, reading: ArmReading, stamp_s: float) -> None:
        values = [
            ("position", _numbers(reading.position)),
            ("requested", _numbers(verdict.requested)),
            ("applied", _numbers(verdict.applied)),
            *((f"proposed/{who}", _numbers(v)) for who, v in self._supervisor.proposed.items()),
            ("reasons", "; ".join(map(str, verdict.reasons))),
        ]
        self._step.publish(to_diagnostics("step", verdict.source, values, stamp_s))

    def _tell(self) -> None:
        latched, human = self._supervisor.latched, self._supervisor.source == HUMAN
        if latched != self._told_latched:
            self._told_latched = latched
            self._estop.publish(Bool(data=latched))
            self._diagnose()
            reasons = "; ".join(map(str, self._supervisor.safety.latch.reasons))
            late_ms = 1e3 * self._punctuality.late_s
            if latched and late_ms:
                self.get_logger().warning(f"this machine is too busy: {late_ms:.0f} ms late.")
            self.get_logger().warning(
                f"stopped: {reasons}. Call {graph.SAFETY_RESET}." if latched else "armed"
            )
        if human != self._told_human:
            self._told_human = human
            self._intervention.publish(Bool(data=human))


def _safety(parameters: Parameters) -> SafetyConfig:
    robot = parameters.text("robot", "", "whose limits hold: NAME of configs/robot/, or a file")
    if not robot:
        raise ConfigError("parameter robot is empty; name the robot whose limits hold, or a file.")
    return read_safety(robot)


def _ages(parameters: Parameters) -> dict[str, float]:
    return {
        name: parameters.number(name, 0.15, what, 0.02, 1.0)
        for name, what in (
            ("max_command_age_s", "older ones hold"),
            ("max_state_age_s", "older ones stop"),
        )
    }


def _watches(cameras: list[str], parameters: Parameters) -> dict[str, CameraWatch]:
    limits = CameraLimits(
        max_age_s=parameters.number(
            "max_observation_age_s", 0.15, "older frames stop a policy, s", 0.02, 2.0
        ),
        frozen_travel_m=parameters.number(
            "frozen_travel_m", 0.005, "travel under equal frames that counts as frozen, m", 1e-4, 1
        ),
    )
    return {camera: CameraWatch(limits) for camera in cameras}


def _silences(parameters: Parameters) -> SupervisorLimits:
    return SupervisorLimits(
        policy_silence_s=parameters.number(
            "policy_silence_s", 0.15, "silence of a moving policy that stops, s", 0.02, 1.0
        ),
        deadman_silence_s=parameters.number(
            "deadman_silence_s", 0.15, "silence of a held dead-man that stops, s", 0.02, 0.2
        ),
    )


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.9g}" for value in values)


def main() -> None:
    sys.exit(run(SafetyNode, urgency.SAFETY))


if __name__ == "__main__":
    main()

"""The only publisher that the arm listens to: mux, filter, latched stop, heartbeat.

A software stop, not a safety-rated one: docs/safety.md.
"""

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
from hardware.ros_messages import CommandPairing, to_image, to_seconds
from robot_rl.deploy.camera_watch import CameraLimits, CameraWatch
from robot_rl.deploy.safety import ArmReading, Command, Now, SafetyFilter, SafetyLimits, Verdict
from robot_rl.deploy.supervisor import HUMAN, NOBODY, POLICY, Supervisor, SupervisorLimits
from robot_rl.errors import HardwareError
from robot_rl_nodes import graph, urgency
from robot_rl_nodes.messages import (
    WIRE_AXES,
    dropped_states,
    subscribe_state,
    to_diagnostics,
    to_gripper,
    to_time,
    to_twist,
)
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import flush, run

_TICK_S = 0.02
_HEARTBEAT_S = 0.05
_GRAPH_CHECK_S = 0.1
_BASE = "base_link"
_WATCHED = (graph.POLICY_TWIST, graph.TELEOP_TWIST, graph.ARM_TWIST)


class SafetyNode(Node):
    """Publishes every verdict; the rules are in `robot_rl.deploy`."""

    def __init__(self) -> None:
        super().__init__("safety_node")
        parameters = Parameters(self)
        cameras = parameters.texts("cameras", ["/camera"], "namespaces of the watched cameras")
        self._supervisor = Supervisor(
            SafetyFilter(read_limits(parameters)),
            _watches(cameras, parameters),
            _silences(parameters),
        )
        self._pairings = {POLICY: CommandPairing(), HUMAN: CommandPairing()}
        self._joints = parameters.texts("joint_names", [], "joints to guard")
        self._state: ArmState | None = None
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
        flush(self._twist)

    def _advertise(self) -> None:
        self._twist = self.create_publisher(TwistStamped, graph.ARM_TWIST, graph.COMMAND)
        self._gripper = self.create_publisher(JointTrajectory, graph.ARM_GRIPPER, graph.COMMAND)
        self._estop = self.create_publisher(Bool, graph.ESTOP, graph.LATCHED)
        self._intervention = self.create_publisher(Bool, graph.INTERVENTION, graph.LATCHED)
        self._step = self.create_publisher(DiagnosticArray, graph.SAFETY_STEP, graph.STATE)
        self._heartbeat = self.create_publisher(Header, graph.HEARTBEAT, graph.STATE)
        self._diagnostics = self.create_publisher(DiagnosticArray, graph.DIAGNOSTICS, graph.STATE)

    def _subscribe(self, cameras: list[str]) -> None:
        sides = (
            (POLICY, graph.POLICY_GRIPPER, graph.POLICY_TWIST),
            (HUMAN, graph.TELEOP_GRIPPER, graph.TELEOP_TWIST),
        )
        for source, gripper, twist in sides:
            self.create_subscription(
                JointTrajectory, gripper, self._pairings[source].gripper, graph.COMMAND
            )
            self.create_subscription(
                TwistStamped, twist, partial(self._command, source), graph.COMMAND
            )
        self.create_subscription(Header, graph.TELEOP_DEADMAN, self._deadman, graph.COMMAND)
        self.create_subscription(Header, graph.POLICY_ACTIVATION, self._activated, graph.COMMAND)
        self._assembler = subscribe_state(self, self._joints, self._take_state)
        self.create_subscription(WrenchStamped, graph.WRENCH, self._take_force, graph.STATE)
        for camera in cameras:
            self.create_subscription(
                Image, f"{camera}/image_raw", partial(self._see, camera), graph.IMAGE_IN
            )

    # ------------------------------------------------------------------ events

    def _command(self, source: str, message: TwistStamped) -> None:
        command = Command(
            values=self._pairings[source].velocity(message),
            source=source,
            stamp_s=to_seconds(message.header.stamp),
        )
        judge = self._supervisor.policy if source == POLICY else self._supervisor.human
        self._publish(judge(command, Now.read()))

    def _deadman(self, message: Header) -> None:
        if message.frame_id == "lost":
            self._publish(self._supervisor.operator_lost(Now.read()))
        else:
            self._publish(self._supervisor.deadman(message.frame_id == "held", Now.read()))
        self._tell()

    def _take_state(self, state: ArmState) -> None:
        self._state = state
        self._supervisor.arm(_reading(state, self._force_n))

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
        period_s = self._supervisor.safety.limits.period_s
        opening_m = self._state.gripper_m if self._state else 0.0
        self._gripper.publish(to_gripper(verdict.applied[3], opening_m, period_s, stamp_s))
        self._twist.publish(to_twist(verdict.applied, stamp_s, _BASE))
        if verdict.source != NOBODY and self._state is not None:
            self._tell_step(verdict, self._state, stamp_s)
        self._tell()

    def _tell_step(self, verdict: Verdict, state: ArmState, stamp_s: float) -> None:
        values = [
            ("position", _numbers(_reading(state, self._force_n).position)),
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


def read_limits(parameters: Parameters) -> SafetyLimits:
    """Limits of the axes tcp x, y, z and gripper (m, m/s, m/s^2) and of the joints (rad)."""
    p, axes = parameters, "for x, y, z and gripper"
    low = p.texts("joint_low_rad", [], "lower joint limits, rad")
    high = p.texts("joint_high_rad", [], "upper joint limits, rad")
    return SafetyLimits(
        axes=WIRE_AXES,
        position_low=p.numbers("position_low", [0.2, -0.3, 0.0, -0.01], f"low edge {axes}, m", 4),
        position_high=p.numbers("position_high", [0.6, 0.3, 0.4, 0.05], f"high edge {axes}, m", 4),
        action_bound=p.numbers("action_bound", [0.3] * 4, f"an action of 1 {axes}, m/s", 4),
        max_step=p.numbers("max_step", [0.03] * 4, f"largest displacement {axes}, m", 4),
        max_velocity=p.numbers("max_velocity", [0.3] * 4, f"largest speed {axes}, m/s", 4),
        max_acceleration=p.numbers("max_acceleration", [6.0] * 4, f"speeding up {axes}, m/s^2", 4),
        period_s=1.0 / p.number("control_rate_hz", 10.0, "a command acts for one period", 1, 100),
        joint_low_rad=tuple(map(float, low)),
        joint_high_rad=tuple(map(float, high)),
        joint_margin_rad=p.number("joint_margin_rad", 0.05, "distance kept to them, rad", 0, 1),
        max_force_n=p.number("max_force_n", 50.0, "force at the tool that stops, N", 0.1, 1e4),
        max_command_age_s=p.number("max_command_age_s", 0.15, "older commands hold", 0.02, 1),
        max_state_age_s=p.number("max_state_age_s", 0.15, "older arm states stop", 0.02, 1),
    )


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


def _reading(state: ArmState, force_n: float) -> ArmReading:
    return ArmReading(
        position=(*state.tcp_pos_m, state.gripper_m),
        tcp_pos_m=state.tcp_pos_m,
        stamp_s=state.stamp_s,
        joints_rad=state.joint_pos_rad,
        force_n=force_n,
    )


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.9g}" for value in values)


def main() -> None:
    sys.exit(run(SafetyNode, urgency.SAFETY))


if __name__ == "__main__":
    main()

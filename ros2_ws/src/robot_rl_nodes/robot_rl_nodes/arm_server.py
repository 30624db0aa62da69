"""The topics and services of one arm, for whichever node owns it."""

import time
from collections.abc import Mapping
from typing import Any

from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Header, String
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from hardware.announced import RobotFeatures
from hardware.arm import Arm, ArmState
from hardware.guarded_arm import ArmMode, GuardedArm
from hardware.ros_messages import CommandReader, to_seconds
from robot_rl.axes import moves
from robot_rl.deploy.limits import acting_s
from robot_rl.errors import HardwareError
from robot_rl_nodes import graph
from robot_rl_nodes.commander import Commander
from robot_rl_nodes.messages import to_diagnostics, to_joint_state, to_pose, to_time, to_twist
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import flush

_GRAPH_CHECK_S = 0.1


class ArmServer:
    """Takes commands from `/servo_node/delta_twist_cmds` alone, and there from safety alone.

    Old ones are refused, and those of strangers; a second publisher faults the arm.

    `/arm/mode` tells every change: its stamp is when the arm was told, its frame id `mode: why`.
    The watchdog has its own thread, so that it fires even where this node's executor stands.
    """

    def __init__(
        self, node: Node, arm: Arm, parameters: Parameters, control_rate_hz: float = 0.0
    ) -> None:
        """`control_rate_hz` is that of the commands; 0 asks the parameter of that name."""
        self._node = node
        self.guarded = GuardedArm(
            arm,
            parameters.number("watchdog_s", 0.15, "silence in motion that holds the arm", 0.1, 0.2),
            self._tell_mode,
        )
        rate_hz = control_rate_hz or parameters.number(
            "control_rate_hz", 10.0, "rate of the commands, for every node of the graph", 1.0, 100.0
        )
        self._acting_s = acting_s(1.0 / rate_hz)
        self._max_age_s = parameters.number(
            "max_command_age_s", 0.15, "older commands are refused", 0.02, 1.0
        )
        state_hz = parameters.number("state_rate_hz", 50.0, "rate of joint states", 1.0, 500.0)
        self._commander = Commander(
            node, parameters.text("commander", "safety_node", "the node that the arm listens to")
        )
        self._refused = self._strange = 0
        self._joints = node.create_publisher(JointState, graph.JOINT_STATES, graph.STATE)
        self._pose = node.create_publisher(PoseStamped, graph.TCP_POSE, graph.STATE)
        self._twist = node.create_publisher(TwistStamped, graph.TCP_TWIST, graph.STATE)
        self._wrench = node.create_publisher(WrenchStamped, graph.WRENCH, graph.STATE)
        self._mode = node.create_publisher(Header, graph.ARM_MODE, graph.LATCHED)
        self.guarded.start()
        self._features = arm.features
        self._reader = CommandReader(self._features.axes)
        self._announced = node.create_publisher(String, graph.ARM_FEATURES, graph.LATCHED)
        robot = RobotFeatures(arm=self._features, control_rate_hz=rate_hz)
        self._announced.publish(String(data=robot.to_json()))
        node.create_subscription(
            JointTrajectory, graph.ARM_JOINTS, self._joint_command, graph.COMMAND
        )
        node.create_subscription(TwistStamped, graph.ARM_TWIST, self._command, graph.COMMAND)
        node.create_subscription(Bool, graph.ESTOP, self._estop, graph.LATCHED)
        node.create_service(Trigger, graph.ARM_RECOVER, self._recover)
        node.create_service(SetBool, graph.ARM_ENABLE, self._enable)
        node.create_timer(1.0 / state_hz, self._tell_state)
        node.create_timer(_GRAPH_CHECK_S, self._count_publishers)
        if parameters.flag("enable_at_start", True, "take commands without a call of /arm/enable"):
            self.guarded.enable()

    def leave(self) -> None:
        """The arm holds before its node goes."""
        self.guarded.close()
        flush(self._mode)

    def publish_state(self, state: ArmState) -> None:
        features = self._features
        self._joints.publish(to_joint_state(state, features))
        self._pose.publish(to_pose(state, features.base_frame))
        self._twist.publish(
            to_twist(state.tcp_vel_m_s, state.tcp_rot_vel_rad_s, state.stamp_s, features.base_frame)
        )
        if features.reports_force:
            wrench = WrenchStamped()
            wrench.header.stamp = to_time(state.stamp_s)
            wrench.wrench.force.z = state.force_n
            self._wrench.publish(wrench)

    def _tell_state(self) -> None:
        try:
            state = self.guarded.arm.state()
        except HardwareError as error:
            self.guarded.fault(str(error))  # until /arm/recover, for which this node must live
        else:
            self.publish_state(state)

    def _joint_command(self, message: JointTrajectory, info: Mapping[str, Any]) -> None:
        if self._trusts(graph.ARM_JOINTS, info):
            self._reader.joints(message)

    def _command(self, message: TwistStamped, info: Mapping[str, Any]) -> None:
        if not self._trusts(graph.ARM_TWIST, info):
            return
        age_s = time.time() - to_seconds(message.header.stamp)
        values = self._reader.values(message)
        # A hold is obeyed whatever its age.
        if moves(self._features.axes, values) and not -self._max_age_s <= age_s <= self._max_age_s:
            self._refused += 1
            self._node.get_logger().warning(
                f"a command {age_s:.3f} s old was refused (allowed {self._max_age_s:g} s).",
                throttle_duration_sec=1.0,
            )
            return
        self.guarded.command(values, self._acting_s)

    def _trusts(self, topic: str, info: Mapping[str, Any]) -> bool:
        stranger = self._commander.stranger(topic, info)
        if stranger is None:
            return True
        self._strange += 1
        self._node.get_logger().warning(
            f"refused a command on {topic} of {stranger}: it is not {self._commander.name}.",
            throttle_duration_sec=1.0,
        )
        # Looked at now: by the next check of the graph a short burst is over.
        self._count_publishers()
        return False

    def _estop(self, message: Bool) -> None:
        if message.data:
            self.guarded.command(None, self._acting_s)

    def _count_publishers(self) -> None:
        if self._node.count_publishers(graph.ARM_TWIST) > 1:
            self.guarded.fault(f"two publishers on {graph.ARM_TWIST}")

    def _recover(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.guarded.recover()
        response.success = self.guarded.mode != ArmMode.FAULT
        response.message = str(self.guarded.mode)
        return response

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.guarded.enable() if request.data else self.guarded.disable()
        response.success, response.message = True, str(self.guarded.mode)
        return response

    def _tell_mode(self, mode: ArmMode, reason: str, mono_s: float) -> None:
        told_s = time.time() - (time.monotonic() - mono_s)
        self._mode.publish(Header(stamp=to_time(told_s), frame_id=f"{mode}: {reason}"))
        if mode == ArmMode.FAULT:
            self._node.get_logger().error(f"the arm holds: {reason}. Call {graph.ARM_RECOVER}.")

    def diagnostics(self):  # noqa: ANN201
        mode = self.guarded.mode
        values = (
            ("refused_commands", self._refused),
            ("commands_of_strangers", self._strange),
            ("unpaired_commands", self._reader.unpaired),
        )
        return to_diagnostics("arm", str(mode), values, time.time())

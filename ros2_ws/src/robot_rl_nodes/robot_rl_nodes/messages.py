"""Between ROS messages and the library's types."""

import array
import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from hardware.arm import ArmFeatures, ArmState
from hardware.camera import CameraFeatures
from hardware.ros_messages import StateAssembler, wire_name
from robot_rl.axes import GRIPPER, Axis
from robot_rl.types import Scene
from robot_rl_nodes import graph

_NS = 1_000_000_000


def to_time(stamp_s: float) -> Time:
    sec, nanosec = divmod(round(stamp_s * _NS), _NS)
    return Time(sec=sec, nanosec=nanosec)


# -------------------------------------------------------------------- images


class ImageMessage:
    """One `sensor_msgs/Image` filled again and again: publishing copies it."""

    def __init__(self, features: CameraFeatures) -> None:
        height, width = features.height, features.width
        self._buffer = array.array("B", bytes(height * width * 3))
        self._pixels = np.frombuffer(self._buffer, np.uint8).reshape(height, width, 3)
        self.message = Image(
            height=height, width=width, encoding="rgb8", is_bigendian=0, step=3 * width
        )
        self.message.header.frame_id = features.frame_id

    def fill(self, image: np.ndarray, stamp_s: float) -> Image:
        self._pixels[:] = image
        self.message.data = self._buffer  # the setter copies
        self.message.header.stamp = to_time(stamp_s)
        return self.message


# ------------------------------------------------------------------ commands


def to_twist(
    linear: Sequence[float],
    angular: Sequence[float],
    stamp_s: float,
    frame_id: str,
) -> TwistStamped:
    message = TwistStamped()
    message.header.stamp, message.header.frame_id = to_time(stamp_s), frame_id
    speed, spin = message.twist.linear, message.twist.angular
    speed.x, speed.y, speed.z = map(float, linear)
    spin.x, spin.y, spin.z = map(float, angular)
    return message


def to_trajectory(
    axes: Sequence[Axis],
    values: Sequence[float],
    position: Sequence[float],
    period_s: float,
    stamp_s: float,
) -> JointTrajectory:
    """Where each axis shall stand after `period_s`, and how fast one goes that is told a rate."""
    message = JointTrajectory(joint_names=[wire_name(axis) for axis in axes])
    message.header.stamp = to_time(stamp_s)
    rates = [v if axis.by == "rate" else 0.0 for axis, v in zip(axes, values, strict=True)]
    rows = zip(axes, values, position, strict=True)
    ends = [at + v * period_s if axis.by == "rate" else v for axis, v, at in rows]
    message.points = [
        JointTrajectoryPoint(
            positions=ends,
            velocities=rates,
            time_from_start=Duration(nanosec=round(period_s * _NS)),
        )
    ]
    return message


# ---------------------------------------------------------------------- state


def to_joint_state(state: ArmState, features: ArmFeatures) -> JointState:
    message = JointState()
    message.header.stamp = to_time(state.stamp_s)
    others = features.other_names
    message.name = [*features.joint_names, GRIPPER, *others]
    message.position = [*state.joint_pos_rad, state.gripper_m, *(state.other[n] for n in others)]
    message.velocity = [*state.joint_vel_rad_s, 0.0, *(0.0 for _ in others)]
    return message


def to_pose(state: ArmState, frame_id: str) -> PoseStamped:
    message = PoseStamped()
    message.header.stamp, message.header.frame_id = to_time(state.stamp_s), frame_id
    position = message.pose.position
    position.x, position.y, position.z = state.tcp_pos_m
    turn = message.pose.orientation
    turn.w, turn.x, turn.y, turn.z = state.tcp_quat
    return message


def subscribe_state(
    node: Node, features: ArmFeatures, take: Callable[[ArmState], None]
) -> StateAssembler:
    """Call `take` with every state whose three parts have come."""
    assembler = StateAssembler(features)

    def offer(kind: str, message: JointState | PoseStamped | TwistStamped) -> None:
        state = assembler.offer(kind, message)
        if state is not None:
            take(state)

    for kind, message, topic in (
        ("joints", JointState, graph.JOINT_STATES),
        ("pose", PoseStamped, graph.TCP_POSE),
        ("twist", TwistStamped, graph.TCP_TWIST),
    ):
        node.create_subscription(message, topic, partial(offer, kind), graph.STATE)
    return assembler


def dropped_states(assembler: StateAssembler) -> list[tuple[str, object]]:
    """For diagnostics: how many states never became whole, and what they lacked."""
    return [(f"states without {lack}", n) for lack, n in sorted(assembler.dropped.items())]


# ----------------------------------------------------------------- diagnostics


def to_diagnostics(
    name: str,
    message: str,
    values: Iterable[tuple[str, object]],
    stamp_s: float,
    level: bytes = DiagnosticStatus.OK,
) -> DiagnosticArray:
    status = DiagnosticStatus(level=level, name=name, message=message, hardware_id="robot-rl")
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values]
    array_message = DiagnosticArray(status=[status])
    array_message.header.stamp = to_time(stamp_s)
    return array_message


def scene_to_json(scene: Scene) -> str:
    expert = scene.expert_action
    told = {**vars(scene), "expert_action": None if expert is None else expert.tolist()}
    return json.dumps(told)


def scene_from_json(text: str) -> Scene:
    told = json.loads(text)
    expert = told.pop("expert_action")
    action = None if expert is None else np.array(expert, np.float32)
    return Scene(expert_action=action, **told)

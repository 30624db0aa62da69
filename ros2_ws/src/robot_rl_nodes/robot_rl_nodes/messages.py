"""Between ROS messages and the library's types."""

import array
from collections.abc import Iterable, Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, TwistStamped
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from hardware.arm import ArmFeatures, ArmState
from hardware.camera import CameraFeatures
from robot_rl.errors import HardwareError
from robot_rl_nodes.graph import GRIPPER_JOINT

_NS = 1_000_000_000


def to_time(stamp_s: float) -> Time:
    sec, nanosec = divmod(round(stamp_s * _NS), _NS)
    return Time(sec=sec, nanosec=nanosec)


def to_seconds(stamp: Time) -> float:
    return stamp.sec + stamp.nanosec / _NS


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


def to_image(message: Image) -> np.ndarray:
    """uint8 RGB [H, W, 3], a view of the message. Raises `HardwareError` on other encodings."""
    if message.encoding not in ("rgb8", "bgr8"):
        raise HardwareError(f"images must be rgb8 or bgr8; this camera sends {message.encoding}.")
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : 3 * message.width].reshape(message.height, message.width, 3)
    return pixels if message.encoding == "rgb8" else pixels[:, :, ::-1]


# ------------------------------------------------------------------ commands


def to_twist(velocity: Sequence[float], stamp_s: float, frame_id: str) -> TwistStamped:
    message = TwistStamped()
    message.header.stamp, message.header.frame_id = to_time(stamp_s), frame_id
    linear = message.twist.linear
    linear.x, linear.y, linear.z = map(float, velocity[:3])
    return message


def to_gripper(velocity_m_s: float, opening_m: float, period_s: float, stamp_s: float):  # noqa: ANN201
    """The gripper's part of a command: where it shall stand after `period_s`, and how fast."""
    message = JointTrajectory(joint_names=[GRIPPER_JOINT])
    message.header.stamp = to_time(stamp_s)
    message.points = [
        JointTrajectoryPoint(
            positions=[opening_m + velocity_m_s * period_s],
            velocities=[float(velocity_m_s)],
            time_from_start=Duration(nanosec=round(period_s * _NS)),
        )
    ]
    return message


class CommandPairing:
    """Joins a twist with the gripper trajectory of the same stamp, which is sent before it."""

    def __init__(self) -> None:
        self._gripper: tuple[Time, float] | None = None
        self.unpaired = 0

    def gripper(self, message: JointTrajectory) -> None:
        if message.points and len(message.points[0].velocities):
            speed = np.asarray(message.points[0].velocities)[0]
            self._gripper = (message.header.stamp, float(speed))

    def velocity(self, message: TwistStamped) -> tuple[float, ...]:
        """[4] m/s; the gripper rests where its part is missing."""
        linear, opening = message.twist.linear, 0.0
        if self._gripper is not None:
            paired = self._gripper[0] == message.header.stamp
            opening = self._gripper[1] if paired else 0.0
            self.unpaired += not paired
        return (linear.x, linear.y, linear.z, opening)


# ---------------------------------------------------------------------- state


def to_joint_state(state: ArmState, features: ArmFeatures) -> JointState:
    message = JointState()
    message.header.stamp = to_time(state.stamp_s)
    message.name = [*features.joint_names, GRIPPER_JOINT]
    message.position = [*state.joint_pos_rad, state.gripper_m]
    message.velocity = [*state.joint_vel_rad_s, 0.0]
    return message


def to_pose(state: ArmState, frame_id: str) -> PoseStamped:
    message = PoseStamped()
    message.header.stamp, message.header.frame_id = to_time(state.stamp_s), frame_id
    position = message.pose.position
    position.x, position.y, position.z = state.tcp_pos_m
    return message


class StateAssembler:
    """Joins joint states, tcp pose and tcp twist of one stamp to an `ArmState`.

    Joints are looked up by name: a driver may send them in any order, and others beside them.
    Without `joint_names` every joint but the gripper counts, in the driver's order.
    """

    def __init__(self, joint_names: Sequence[str] = ()) -> None:
        self._names = tuple(joint_names)
        self._parts: dict[int, dict[str, object]] = {}

    def offer(self, kind: str, message: JointState | PoseStamped | TwistStamped) -> ArmState | None:
        """The whole state once its last part has come; parts older than it are dropped."""
        stamp = message.header.stamp
        key = stamp.sec * _NS + stamp.nanosec
        parts = self._parts.setdefault(key, {})
        parts[kind] = message
        if len(parts) < 3:
            return None
        self._parts = {k: v for k, v in self._parts.items() if k > key}
        return self._assemble(parts["joints"], parts["pose"], parts["twist"])  # type: ignore

    def _assemble(self, joints: JointState, pose: PoseStamped, twist: TwistStamped) -> ArmState:
        places = {name: i for i, name in enumerate(joints.name)}
        names = self._names or tuple(n for n in joints.name if n != GRIPPER_JOINT)
        unknown = [name for name in names if name not in places]
        if unknown:
            raise HardwareError(
                f"{', '.join(unknown)} is not among the joints of /joint_states: "
                f"{', '.join(joints.name)}."
            )
        at, speed = pose.pose.position, twist.twist.linear
        gripper = places.get(GRIPPER_JOINT)
        return ArmState(
            joint_pos_rad=tuple(joints.position[places[name]] for name in names),
            joint_vel_rad_s=tuple(joints.velocity[places[name]] for name in names),
            tcp_pos_m=(at.x, at.y, at.z),
            tcp_vel_m_s=(speed.x, speed.y, speed.z),
            gripper_m=0.0 if gripper is None else joints.position[gripper],
            stamp_s=to_seconds(joints.header.stamp),
        )


# ----------------------------------------------------------------- diagnostics


def to_diagnostics(
    name: str, message: str, values: Iterable[tuple[str, object]], stamp_s: float,
    level: bytes = DiagnosticStatus.OK,
) -> DiagnosticArray:  # fmt: skip
    status = DiagnosticStatus(level=level, name=name, message=message, hardware_id="robot-rl")
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values]
    array_message = DiagnosticArray(status=[status])
    array_message.header.stamp = to_time(stamp_s)
    return array_message

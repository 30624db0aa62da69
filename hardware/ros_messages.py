"""Reads ROS messages by their fields alone: those of rclpy and those out of a bag alike."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from hardware.arm import ArmFeatures, ArmState
from robot_rl.axes import GRIPPER, JOINT_PREFIX, TCP_ANGULAR, TCP_LINEAR, Axis, Vector
from robot_rl.errors import HardwareError

# What a twist carries, in its order, of axes that are told a rate.
TWIST = (*TCP_LINEAR, *TCP_ANGULAR)
_NS = 1_000_000_000
_STATE_PARTS = ("joints", "pose", "twist")
_MAX_PENDING = 32


def to_seconds(stamp: Any) -> float:
    return stamp.sec + stamp.nanosec / _NS


def to_image(message: Any) -> np.ndarray:
    """uint8 RGB [H, W, 3], a view of the message.

    Raises `HardwareError` on other encodings, and where size, step and data do not agree.
    """
    if message.encoding not in ("rgb8", "bgr8"):
        raise HardwareError(f"images must be rgb8 or bgr8; this camera sends {message.encoding}.")
    height, width, step = message.height, message.width, message.step
    data = np.frombuffer(message.data, np.uint8)
    if not (height > 0 and 0 < 3 * width <= step and len(data) == height * step):
        raise HardwareError(
            f"an image of {height}x{width} pixels with {step} bytes a row has {len(data)} bytes."
        )
    pixels = data.reshape(height, step)[:, : 3 * width].reshape(height, width, 3)
    return pixels if message.encoding == "rgb8" else pixels[:, :, ::-1]


def to_jpeg_image(message: Any) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a `CompressedImage`. Raises `HardwareError` where it is damaged."""
    encoded = np.frombuffer(message.data, np.uint8)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if decoded is None:
        raise HardwareError("a compressed image cannot be decoded.")
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


class CommandReader:
    """Joins a twist with the joint trajectory of the same stamp, which is sent before it.

    What the twist carries are the rates of the tool; every other axis is found in the trajectory
    by its name, its rate among the velocities and its level among the positions. Where the
    trajectory is missing rates are zero, and levels hold.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._axes = tuple(axes)
        self._needs_joints = any(axis.name not in TWIST or axis.by == "level" for axis in axes)
        self._joints: Any = None
        self.unpaired = 0

    def joints(self, message: Any) -> None:
        self._joints = message

    def values(self, message: Any) -> Vector | None:
        """A number for each axis; None to hold. Raises `HardwareError` for an unknown joint."""
        told = _twist(message.twist) | self._point(message.header.stamp)
        rates = {axis.name: 0.0 for axis in self._axes if axis.by == "rate"}
        told = {axis.name: told.get(axis.name, rates.get(axis.name)) for axis in self._axes}
        values = tuple(value for value in told.values() if value is not None)
        return values if len(values) == len(self._axes) else None

    def _point(self, stamp: Any) -> dict[str, float]:
        if not self._needs_joints:
            return {}
        message = self._joints
        if message is None or message.header.stamp != stamp or not len(message.points):
            self.unpaired += message is None or message.header.stamp != stamp
            return {}
        point, by_name = message.points[0], {wire_name(axis): axis for axis in self._axes}
        unknown = [name for name in message.joint_names if name not in by_name]
        if unknown:
            raise HardwareError(
                f"a command moves {', '.join(unknown)}; the arm has {', '.join(by_name)}."
            )
        return {
            by_name[name].name: float(v if by_name[name].by == "rate" else x)
            for name, x, v in zip(
                message.joint_names, point.positions, point.velocities, strict=False
            )
        }


def wire_name(axis: Axis) -> str:
    """Of an axis in a joint trajectory."""
    return axis.name.removeprefix(JOINT_PREFIX)


def _twist(twist: Any) -> dict[str, float]:
    linear, angular = twist.linear, twist.angular
    rates = (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z)
    return dict(zip(TWIST, rates, strict=True))


class StateAssembler:
    """Joins joint states, tcp pose and tcp twist of one stamp to a state of the arm `features`.

    Joints are looked up by name: a driver may send them in any order, and others beside them.
    `dropped` counts the states that never became whole, by the parts that they lacked.
    """

    def __init__(self, features: ArmFeatures) -> None:
        self.dropped: Counter[str] = Counter()
        self._names, self._others = features.joint_names, features.other_names
        self._parts: dict[int, dict[str, Any]] = {}

    def offer(self, kind: str, message: Any) -> ArmState | None:
        """The whole state once its last part has come; parts older than it are dropped."""
        stamp = message.header.stamp
        key = stamp.sec * _NS + stamp.nanosec
        parts = self._parts.setdefault(key, {})
        parts[kind] = message
        if len(parts) < len(_STATE_PARTS):
            if len(self._parts) > _MAX_PENDING:
                self._drop(min(self._parts))
            return None
        del self._parts[key]
        for older in [k for k in self._parts if k < key]:
            self._drop(older)
        return self._assemble(parts["joints"], parts["pose"], parts["twist"])

    def _drop(self, key: int) -> None:
        parts = self._parts.pop(key)
        self.dropped[" and ".join(kind for kind in _STATE_PARTS if kind not in parts)] += 1

    def _assemble(self, joints: Any, pose: Any, twist: Any) -> ArmState:
        places = {name: i for i, name in enumerate(joints.name)}
        names = self._names
        unknown = [name for name in (*names, *self._others) if name not in places]
        if unknown:
            raise HardwareError(
                f"{', '.join(unknown)} is not among the joints of /joint_states: "
                f"{', '.join(joints.name)}."
            )
        if not len(joints.name) == len(joints.position) == len(joints.velocity):
            raise HardwareError(
                f"/joint_states has {len(joints.name)} names, {len(joints.position)} positions and "
                f"{len(joints.velocity)} velocities; it needs as many of each."
            )
        at, turn = pose.pose.position, pose.pose.orientation
        speed, spin = twist.twist.linear, twist.twist.angular
        gripper = places.get(GRIPPER)
        return ArmState(
            joint_pos_rad=tuple(joints.position[places[name]] for name in names),
            joint_vel_rad_s=tuple(joints.velocity[places[name]] for name in names),
            tcp_pos_m=(at.x, at.y, at.z),
            tcp_quat=(turn.w, turn.x, turn.y, turn.z),
            tcp_vel_m_s=(speed.x, speed.y, speed.z),
            tcp_rot_vel_rad_s=(spin.x, spin.y, spin.z),
            gripper_m=0.0 if gripper is None else joints.position[gripper],
            stamp_s=to_seconds(joints.header.stamp),
            other={name: joints.position[places[name]] for name in self._others},
        )

"""Reads ROS messages by their fields alone: those of rclpy and those out of a bag alike."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from hardware.arm import ArmState
from robot_rl.errors import HardwareError

GRIPPER_JOINT = "gripper"
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


class CommandPairing:
    """Joins a twist with the gripper trajectory of the same stamp, which is sent before it."""

    def __init__(self) -> None:
        self._gripper: tuple[Any, float] | None = None
        self.unpaired = 0

    def gripper(self, message: Any) -> None:
        if message.points and len(message.points[0].velocities):
            speed = np.asarray(message.points[0].velocities)[0]
            self._gripper = (message.header.stamp, float(speed))

    def velocity(self, message: Any) -> tuple[float, ...]:
        """[4] m/s; the gripper rests where its part is missing."""
        linear, opening = message.twist.linear, 0.0
        if self._gripper is not None:
            paired = self._gripper[0] == message.header.stamp
            opening = self._gripper[1] if paired else 0.0
            self.unpaired += not paired
        return (linear.x, linear.y, linear.z, opening)


class StateAssembler:
    """Joins joint states, tcp pose and tcp twist of one stamp to an `ArmState`.

    Joints are looked up by name: a driver may send them in any order, and others beside them.
    Without `joint_names` every joint but the gripper counts, in the driver's order. `dropped`
    counts the states that never became whole, by the parts that they lacked.
    """

    def __init__(self, joint_names: Sequence[str] = ()) -> None:
        self.dropped: Counter[str] = Counter()
        self._names = tuple(joint_names)
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
        names = self._names or tuple(n for n in joints.name if n != GRIPPER_JOINT)
        unknown = [name for name in names if name not in places]
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
        gripper = places.get(GRIPPER_JOINT)
        return ArmState(
            joint_pos_rad=tuple(joints.position[places[name]] for name in names),
            joint_vel_rad_s=tuple(joints.velocity[places[name]] for name in names),
            tcp_pos_m=(at.x, at.y, at.z),
            tcp_quat=(turn.w, turn.x, turn.y, turn.z),
            tcp_vel_m_s=(speed.x, speed.y, speed.z),
            tcp_rot_vel_rad_s=(spin.x, spin.y, spin.z),
            gripper_m=0.0 if gripper is None else joints.position[gripper],
            stamp_s=to_seconds(joints.header.stamp),
        )

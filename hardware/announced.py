"""What a robot tells of itself before anything moves, and whether a policy fits it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hardware.arm import ArmFeatures, ArmState
from hardware.camera import CameraFeatures
from hardware.proprio import ProprioReader
from robot_rl.axes import Axis
from robot_rl.deploy.actions import ActionMap
from robot_rl.errors import HardwareError, InterfaceMismatchError
from robot_rl.types import CameraField, Interface

_RATE_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class RobotFeatures:
    """An arm and the rate of its commands. Whoever owns the arm owns the rate; others take it."""

    arm: ArmFeatures
    control_rate_hz: float

    @property
    def period_s(self) -> float:
        return 1.0 / self.control_rate_hz

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "RobotFeatures":
        """Raises `HardwareError` for anything else."""
        try:
            raw = json.loads(text)
            arm = {name: _frozen(value) for name, value in raw["arm"].items()}
            arm["axes"] = tuple(Axis(**axis) for axis in arm["axes"])
            return cls(arm=ArmFeatures(**arm), control_rate_hz=raw["control_rate_hz"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HardwareError(f"this does not describe a robot: {error!r}.") from error


def camera_to_json(features: CameraFeatures) -> str:
    return json.dumps(asdict(features))


def camera_from_json(text: str) -> CameraFeatures:
    """Raises `HardwareError` for anything else."""
    try:
        return CameraFeatures(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise HardwareError(f"this does not describe a camera: {error!r}.") from error


def require_fit(
    interface: Interface, robot: RobotFeatures, cameras: Mapping[str, CameraFeatures]
) -> None:
    """Raise `InterfaceMismatchError` that names every field in which the robot does not fit.

    `cameras` are the robot's by the names that the policy gives them.
    """
    found = [
        *_rate(interface, robot),
        *_cameras(interface, cameras),
        *_proprio(interface, robot.arm),
        *_actions(interface, robot.arm),
    ]
    if found:
        raise InterfaceMismatchError(
            f"the policy for {interface.task} does not fit this robot: {'; '.join(found)}."
        )


def _rate(interface: Interface, robot: RobotFeatures) -> Iterator[str]:
    wanted_hz = interface.control_rate_hz
    if abs(wanted_hz - robot.control_rate_hz) > _RATE_TOLERANCE * wanted_hz:
        yield f"control_rate_hz is {robot.control_rate_hz:g} here and {wanted_hz:g} there"


def _cameras(interface: Interface, cameras: Mapping[str, CameraFeatures]) -> Iterator[str]:
    for field in interface.cameras:
        if field.name in cameras:
            yield from _camera(field, cameras[field.name])
        else:
            yield f"camera '{field.name}' is missing; here are {', '.join(cameras) or 'none'}"


def _camera(field: CameraField, camera: CameraFeatures) -> Iterator[str]:
    height, width = field.source_size
    if (camera.height, camera.width) != (height, width):
        cut = f", of which it cuts {field.crop}" if field.crop else ""
        yield (
            f"camera '{field.name}' sends {camera.height}x{camera.width} (height x width) here and "
            f"{height}x{width} there{cut}: set height, width and crop of the camera"
        )
    # A faster camera is thinned out.
    if camera.rate_hz < (1 - _RATE_TOLERANCE) * field.rate_hz:
        yield (
            f"camera '{field.name}' sends {camera.rate_hz:g} frames a second here and "
            f"{field.rate_hz:g} there"
        )


def _proprio(interface: Interface, arm: ArmFeatures) -> Iterator[str]:
    try:
        ProprioReader(interface.proprio).read(_at_rest(arm))
    except InterfaceMismatchError as error:
        yield str(error).rstrip(".")


def _actions(interface: Interface, arm: ArmFeatures) -> Iterator[str]:
    try:
        ActionMap(interface, arm.axes)
    except InterfaceMismatchError as error:
        yield str(error).rstrip(".")


def _at_rest(arm: ArmFeatures) -> ArmState:
    still = (0.0,) * len(arm.joint_names)
    return ArmState(
        joint_pos_rad=still,
        joint_vel_rad_s=still,
        tcp_pos_m=(0.0,) * 3,
        tcp_quat=arm.rest_quat,
        tcp_vel_m_s=(0.0,) * 3,
        stamp_s=0.0,
    )


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value

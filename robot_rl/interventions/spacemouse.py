"""A 3Dconnexion SpaceMouse through pyspacemouse.

Its cap springs back: pushing it is the dead-man, and letting it go hands back.
"""

import time
from collections.abc import Callable, Collection
from typing import Any

from robot_rl.axes import GRIPPER, TCP_ANGULAR, TCP_LINEAR
from robot_rl.errors import HardwareError, MissingPackageError
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.polled import PolledDriver

HELP = "push or turn the cap to drive   left button: close   right button: open"
# Under the axis convention of ROS: x ahead, y left, z up, and rotations about them.
_STATES = dict(
    zip((*TCP_LINEAR, *TCP_ANGULAR), ("x", "y", "z", "roll", "pitch", "yaw"), strict=True)
)
_DEADZONE = 0.05
_POLL_S = 0.01
_UDEV = (
    'put  KERNEL=="hidraw*", ATTRS{idVendor}=="256f", TAG+="uaccess"  into '
    "/etc/udev/rules.d/70-spacemouse.rules, run `sudo udevadm control --reload && sudo udevadm "
    "trigger`, and plug it in again"
)


class SpaceMouse(PolledDriver):
    """Six axes and the gripper; those that are not `wanted` do not take over either.

    `open_device` returns an opened pyspacemouse device under the axis convention of ROS.
    """

    help = HELP
    axes = (*_STATES, GRIPPER)

    def __init__(
        self,
        operator: OperatorState,
        wanted: Collection[str],
        open_device: Callable[[], Any] | None = None,
    ) -> None:
        super().__init__(operator)
        self._wanted = wanted
        self._open_device = open_device or open_spacemouse
        self._device: Any = None

    def _open(self) -> None:
        self._device = self._open_device()

    def _shut(self) -> None:
        self._device.close()

    def _poll(self) -> None:
        time.sleep(_POLL_S)
        try:
            state = self._device.read()
        except Exception as error:  # hidapi's own, which shares no base with anything
            self.gone(f"the SpaceMouse was unplugged ({error})")
            return
        self._tell(state)

    def _tell(self, state: Any) -> None:
        axes = {axis: _centred(getattr(state, name)) for axis, name in _STATES.items()}
        close, opens, *_ = (*map(bool, state.buttons), False, False)
        axes[GRIPPER] = float(opens) - float(close)
        axes = {axis: value for axis, value in axes.items() if axis in self._wanted}
        squeezed = GRIPPER in self._wanted and (close or opens)
        self._operator.set(squeezed or any(axes.values()), axes)


def open_spacemouse() -> Any:
    """Raises `HardwareError` that says what is missing: device, library or permission."""
    try:
        import pyspacemouse
    except ImportError as error:
        raise MissingPackageError("pyspacemouse", "pip install 'robot-rl[teleop]'") from error
    try:
        return pyspacemouse.open(axis_convention=pyspacemouse.AxisConvention.ROS)
    except Exception as error:
        raise HardwareError(
            f"no SpaceMouse answers ({error}). Plug one in; it needs the Debian package "
            f"libhidapi-hidraw0, and permission: {_UDEV}."
        ) from error


def _centred(value: float) -> float:
    return 0.0 if abs(value) < _DEADZONE else value

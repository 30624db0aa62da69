"""A 3Dconnexion SpaceMouse through pyspacemouse.

Its cap springs back: pushing it is the dead-man, and letting it go hands back.
"""

import time
from collections.abc import Callable
from typing import Any

from robot_rl.errors import HardwareError, MissingPackageError
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.polled import PolledDriver

HELP = "push the cap to drive   left button: close   right button: open"
_DEADZONE = 0.05
_POLL_S = 0.01
_UDEV = (
    'put  KERNEL=="hidraw*", ATTRS{idVendor}=="256f", TAG+="uaccess"  into '
    "/etc/udev/rules.d/70-spacemouse.rules, run `sudo udevadm control --reload && sudo udevadm "
    "trigger`, and plug it in again"
)


class SpaceMouse(PolledDriver):
    """`open_device` returns an opened pyspacemouse device."""

    help = HELP

    def __init__(
        self, operator: OperatorState, open_device: Callable[[], Any] | None = None
    ) -> None:
        super().__init__(operator)
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
        """The cap's x points right and its y ahead; the robot's x points ahead and y left."""
        axes = [_centred(v) for v in (state.y, -state.x, state.z)]
        buttons = list(state.buttons)
        close, opens = (bool(buttons[i]) if len(buttons) > i else False for i in (0, 1))
        held = any(axes) or close or opens
        self._operator.set(held, (axes[0], axes[1], axes[2], float(opens) - float(close)))


def open_spacemouse() -> Any:
    """Raises `HardwareError` that says what is missing: device, library or permission."""
    try:
        import pyspacemouse
    except ImportError as error:
        raise MissingPackageError("pyspacemouse", "pip install 'robot-rl[teleop]'") from error
    try:
        return pyspacemouse.open()
    except Exception as error:
        raise HardwareError(
            f"no SpaceMouse answers ({error}). Plug one in; it needs the Debian package "
            f"libhidapi-hidraw0, and permission: {_UDEV}."
        ) from error


def _centred(value: float) -> float:
    return 0.0 if abs(value) < _DEADZONE else value

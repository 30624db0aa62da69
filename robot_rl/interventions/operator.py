"""The operator's wish at this moment, whatever device it comes from."""

import threading
import time
from dataclasses import dataclass

from robot_rl.errors import ConfigError, HardwareError
from robot_rl.interventions.device import Event

Axes = tuple[float, float, float, float]
STILL: Axes = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """`axes` in [-1, 1]: tcp x, y, z and gripper opening. They count while `held` is true."""

    held: bool = False
    axes: Axes = STILL


class OperatorState:
    """Written by a device, read by the control loop; a device that falls silent lets go.

    `lost` is true where it fell silent with the dead-man held, until it is heard again: that is
    not the same as letting go, and the arm must not take it for a hand-back.
    """

    def __init__(self, silence_s: float = 0.1) -> None:
        if not 0.02 <= silence_s <= 1.0:
            raise ConfigError(f"a device may be silent for 0.02 to 1 s, not {silence_s}.")
        self._silence_s = silence_s
        self._lock = threading.Lock()
        self._wish = Wish()
        self._heard_s = -1e9
        self._events: set[Event] = set()
        self.gone = ""  # why the device is gone for good

    def set(self, held: bool, axes: Axes) -> None:
        """Axes are bounded to [-1, 1]; anything that is not finite lets go."""
        finite = all(abs(axis) <= 1e6 for axis in axes)  # false for NaN too
        bounded = tuple(min(max(axis, -1.0), 1.0) for axis in axes) if finite else STILL
        with self._lock:
            self._wish = Wish(held=held and finite, axes=bounded)  # type: ignore[arg-type]
            self._heard_s = time.monotonic()

    def release(self) -> None:
        self.set(False, STILL)

    def say(self, event: Event) -> None:
        with self._lock:
            self._events.add(event)

    def take_events(self) -> frozenset[Event]:
        """What was said since the last time."""
        with self._lock:
            said, self._events = frozenset(self._events), set()
        return said

    def drop_events(self) -> None:
        """Forget what was said, but for the wish to stop."""
        with self._lock:
            self._events &= {"stop"}

    def require_present(self) -> None:
        """Raise `HardwareError` once the device is gone for good."""
        if self.gone:
            raise HardwareError(
                f"{self.gone}. What was recorded is on disk; plug it in and start the same "
                "command again."
            )

    @property
    def lost(self) -> bool:
        with self._lock:
            return self._wish.held and self._silent()

    def wish(self) -> Wish:
        """What the operator wants now; nothing after a silence."""
        with self._lock:
            return Wish() if self._silent() else self._wish

    def _silent(self) -> bool:
        return time.monotonic() - self._heard_s > self._silence_s

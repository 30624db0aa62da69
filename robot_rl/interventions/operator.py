"""The operator's wish at this moment, whatever device it comes from."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from robot_rl.errors import ConfigError, HardwareError
from robot_rl.interventions.device import Event


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How far each axis (`robot_rl.axes`) is deflected, in [-1, 1]: what is not in `axes` is not.

    1 goes towards higher numbers of the axis: along x, counter-clockwise, open. It counts while
    `held` is true.
    """

    held: bool = False
    axes: Mapping[str, float] = field(default_factory=dict)


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

    def set(self, held: bool, axes: Mapping[str, float]) -> None:
        """Deflections are bounded to [-1, 1]; anything that is not finite lets go."""
        finite = all(abs(value) <= 1e6 for value in axes.values())  # false for NaN too
        bounded = {name: min(max(value, -1.0), 1.0) for name, value in axes.items()}
        with self._lock:
            self._wish = Wish(held=held, axes=bounded) if finite else Wish()
            self._heard_s = time.monotonic()

    def release(self) -> None:
        self.set(False, {})

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

"""An arm that stops by itself when its commander falls silent."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from hardware.arm import Arm
from robot_rl.axes import moves
from robot_rl.errors import ConfigError, HardwareError

_CHECKS_PER_TIMEOUT = 10


class ArmMode(StrEnum):
    """`FAULT` needs `recover`; `DISABLED` needs `enable`. The others take commands."""

    DISABLED = "disabled"
    HOLDING = "holding"
    MOVING = "moving"
    FAULT = "fault"


class GuardedArm:
    """`arm` behind a watchdog on a thread of its own, on the monotonic clock.

    The watchdog fires `timeout_s` after the last command that moved: the arm holds, and takes
    nothing more until `recover`. Silence after a hold is no fault. `on_mode` hears every change,
    with the monotonic time at which the arm was told and the reason. `silence` HOLDING is for a
    commander in this process, who may pause to learn: the arm then holds in time, without a fault.
    """

    def __init__(
        self,
        arm: Arm,
        timeout_s: float,
        on_mode: Callable[[ArmMode, str, float], None] = lambda mode, reason, mono_s: None,
        silence: ArmMode = ArmMode.FAULT,
    ) -> None:
        if not 0.1 <= timeout_s <= 0.2:
            raise ConfigError(f"the arm's watchdog is {timeout_s} s; it must lie in [0.1, 0.2] s.")
        self.arm = arm
        self.mode = ArmMode.DISABLED
        self.reason = ""
        self.timeout_s = timeout_s
        self._silence = silence
        self._on_mode = on_mode
        self._lock = threading.RLock()
        self._last_s = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="arm watchdog", daemon=True)

    def start(self) -> None:
        """Connect, once."""
        if not self._thread.is_alive():
            self.arm.connect()
            self._thread.start()

    def enable(self) -> None:
        """Take commands, beginning from where the arm really stands."""
        with self._lock:
            if self.mode == ArmMode.DISABLED:
                self._stop(ArmMode.HOLDING, "enabled")

    def disable(self, reason: str = "disabled") -> None:
        with self._lock:
            self._stop_if_it_hears(ArmMode.DISABLED, reason)

    def command(self, command: Sequence[float] | None, duration_s: float) -> bool:
        """None holds, and so do rates of zero. False where the mode refuses commands."""
        with self._lock:
            if self.mode not in (ArmMode.HOLDING, ArmMode.MOVING):
                return False
            if command is None or not moves(self.arm.features.axes, command):
                if self.mode == ArmMode.MOVING:
                    self._stop(ArmMode.HOLDING, "commanded")
                return True
            self._last_s = time.monotonic()
            self.arm.command(command, duration_s)
            self._set(ArmMode.MOVING, "")
            return True

    def fault(self, reason: str) -> None:
        """Hold, and refuse commands until `recover`."""
        with self._lock:
            if self.mode != ArmMode.DISABLED:
                self._stop_if_it_hears(ArmMode.FAULT, reason)

    def recover(self) -> None:
        with self._lock:
            self.arm.recover()
            if self.mode != ArmMode.DISABLED:
                self._stop(ArmMode.HOLDING, "recovered")

    def close(self) -> None:
        with contextlib.ExitStack() as closing:  # each, whatever becomes of the others
            closing.callback(self.arm.disconnect)
            self._closing.set()
            self.disable("leaving")
            if self._thread.is_alive():
                self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        while not self._closing.wait(self.timeout_s / _CHECKS_PER_TIMEOUT):
            if self._silent():
                # A driver that hangs inside `command` holds the lock; the stop must not wait.
                taken = self._lock.acquire(timeout=0.02)
                try:
                    if self._silent():
                        self._stop_if_it_hears(self._silence, "watchdog: commands ceased in motion")
                finally:
                    if taken:
                        self._lock.release()

    def _silent(self) -> bool:
        late_s = time.monotonic() - self._last_s - self.timeout_s
        return self.mode == ArmMode.MOVING and late_s > 0

    def _stop(self, mode: ArmMode, reason: str) -> None:
        try:
            self.arm.stop()
        finally:
            self._set(mode, reason)

    def _stop_if_it_hears(self, mode: ArmMode, reason: str) -> None:
        """An arm whose line is gone is refused commands all the same, and watched on."""
        with contextlib.suppress(HardwareError):
            self._stop(mode, reason)

    def _set(self, mode: ArmMode, reason: str) -> None:
        changed, self.mode, self.reason = mode != self.mode, mode, reason
        if changed:
            self._on_mode(mode, reason, time.monotonic())

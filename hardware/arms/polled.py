"""What drivers share that read their arm on a thread: the newest state, or what went wrong."""

import contextlib
import threading
import time

from hardware.arm import ArmState
from robot_rl.errors import HardwareError

_STALE_S = 0.2
_JOIN_S = 3.0


class PolledArm:
    """A subclass opens, measures and shuts; here it is measured `rate_hz` times a second.

    The first error ends the reading. The arm is told to stand, where it still hears, and takes no
    commands until `recover`.
    """

    def __init__(self, name: str, rate_hz: float) -> None:
        self._name, self._period_s = name, 1.0 / rate_hz
        self._newest: ArmState | None = None
        self._error: HardwareError | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------- what a subclass has

    def _open(self) -> None:
        """Connect, and stand still. Raises `HardwareError`. Abstract."""
        raise NotImplementedError

    def _measure(self) -> ArmState:
        """Raises `HardwareError` for an arm in a fault of its own, too. Abstract."""
        raise NotImplementedError

    def _begin(self, state: ArmState) -> None:
        """Called with the first, before any other."""

    def _measured(self, state: ArmState) -> None:
        """Called with each of the others, on the reading thread."""

    def _shut(self) -> None:
        """Whatever was opened, wholly or half. It may be gone. Abstract."""
        raise NotImplementedError

    def _stand(self) -> None:
        """Told at once, on the reading thread's last turn; `stop` may leave it to that thread."""
        self.stop()

    def stop(self) -> None:
        """Stand still. Raises `HardwareError` where the arm does not hear it. Abstract."""
        raise NotImplementedError

    # ------------------------------------------------------------- what every arm has

    def connect(self) -> None:
        """Raises `HardwareError` where it does not answer, or is in a fault."""
        try:
            self._open()
            state = self._measure()
            self._begin(state)
        except BaseException:
            self._shut()
            raise
        self._newest, self._error = state, None
        self._closing.clear()
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def state(self) -> ArmState:
        """Raises `HardwareError` while the arm is in a fault, or gone."""
        self.require_sound()
        newest = self._newest
        if newest is None or time.time() - newest.stamp_s > _STALE_S:
            raise HardwareError(f"the arm {self._name} was not read for a while: is it connected?")
        return newest

    def require_sound(self) -> None:
        """Raises what ended the reading."""
        if self._error is not None:
            raise self._error

    def recover(self) -> None:
        """Connect anew where reading ended. Raises `HardwareError` while the cause lasts."""
        reads = self._thread is not None and self._thread.is_alive()
        if self._error is not None or not reads:
            self._end()
            self._shut()
            self.connect()

    def disconnect(self) -> None:
        self._end()
        self._shut()

    def _end(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        self._thread = None

    def _work(self) -> None:
        due_s = time.monotonic()
        while not self._closing.is_set():
            try:
                self._newest = state = self._measure()
                self._measured(state)
            except Exception as error:  # whatever a package raises: nobody reads on in silence
                self._error = self._told(error)
                with contextlib.suppress(HardwareError):
                    self._stand()
                return
            due_s = max(due_s + self._period_s, time.monotonic())
            self._closing.wait(due_s - time.monotonic())

    def _told(self, error: Exception) -> HardwareError:
        """Without the frames of where it was raised, which would keep what they hold alive."""
        if isinstance(error, HardwareError):
            return HardwareError(str(error))
        return HardwareError(f"the arm {self._name} told what nobody foresaw: {error!r}.")

"""What drivers with a thread of their own share."""

import threading

from robot_rl.interventions.operator import OperatorState


class PolledDriver:
    """Calls `_poll` again and again between `start` and `close`; then the dead-man is let go.

    `gone` ends the thread and tells whoever reads the operator why. `axes` are those that it moves.
    """

    axes: tuple[str, ...] = ()
    help = ""

    def __init__(self, operator: OperatorState) -> None:
        self._operator = operator
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=type(self).__name__, daemon=True)

    def start(self) -> None:
        self._open()
        print(self.help, flush=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=1.0)
            self._shut()
        self._operator.release()

    def gone(self, why: str) -> None:
        self._operator.gone = why
        self._closing.set()

    def _listen(self) -> None:
        while not self._closing.is_set():
            self._poll()

    def _open(self) -> None:
        """Before the thread starts. Raises `HardwareError` with the remedy."""

    def _shut(self) -> None:
        """After the thread has ended."""

    def _poll(self) -> None:
        """One look at the device, for some milliseconds at most. Abstract."""
        raise NotImplementedError

"""A Robotiq gripper behind the text port that its URCap opens on the robot's controller."""

import contextlib
import socket
from collections.abc import Iterator

from robot_rl.errors import HardwareError

_PORT = 63352
_ANSWER_S = 0.5
_CLOSED = 255  # of a byte that counts from open
_ACTIVE = 3


class Robotiq:
    """`width_m` is how far each finger opens from the middle. Raises `HardwareError` throughout."""

    def __init__(self, address: str, width_m: float) -> None:
        self._address, self._width_m = address, width_m
        self._link: socket.socket | None = None

    def open(self) -> None:
        """Nothing moves: activation, which opens and closes it, is left to a person."""
        with self._line():
            self._link = socket.create_connection((self._address, _PORT), _ANSWER_S)
        if self._ask("GET STA") != f"STA {_ACTIVE}":
            raise HardwareError(
                f"the gripper at {self._address} is not activated. Do it on the pendant, with its "
                "fingers free: it opens and closes once."
            )
        # It goes to where it was told last: that is where it stands.
        self._ask(f"SET POS {self._position()}")
        self._ask("SET GTO 1")

    def opening_m(self) -> float:
        return self._width_m * (1.0 - self._position() / _CLOSED)

    def move(self, opening_m: float) -> None:
        share = min(max(opening_m / self._width_m, 0.0), 1.0)
        self._ask(f"SET POS {round(_CLOSED * (1.0 - share))}")

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _position(self) -> int:
        answer = self._ask("GET POS")
        try:
            return int(answer.removeprefix("POS "))
        except ValueError as error:
            raise HardwareError(f"the gripper answered '{answer}' to GET POS.") from error

    def _ask(self, text: str) -> str:
        with self._line():
            if self._link is None:
                raise OSError("it is not connected")
            self._link.sendall(text.encode() + b"\n")
            answer = self._link.recv(1024)
            if not answer:
                raise OSError("it hung up")
        return answer.decode(errors="replace").strip()

    @contextlib.contextmanager
    def _line(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HardwareError(
                f"the gripper at {self._address}:{_PORT} does not answer ({error}). Is its URCap "
                "installed and the gripper switched on?"
            ) from error

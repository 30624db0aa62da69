"""Feetech STS servos on one serial line: requests, replies, and nothing that waits for long.

Half duplex: one request at a time, under a lock. Words are little-endian, signs a bit of their own.
"""

import contextlib
import struct
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robot_rl.errors import HardwareError, MissingPackageError

BAUD = 1_000_000
STS3215 = 777
_REPLY_S = 0.05
_TRIES = 3
_EVERY_SERVO = 0xFE
_READ, _WRITE, _SYNC_READ, _SYNC_WRITE = 0x02, 0x03, 0x82, 0x83

# The control table: address and bytes.
MODEL, MIN_POSITION, MAX_POSITION = (3, 2), (9, 2), (11, 2)
HOMING_OFFSET, OPERATING_MODE = (31, 2), (33, 1)
TORQUE, GOAL = (40, 1), (42, 2)
_STATE_AT, _STATE_BYTES = 56, 15  # position, speed, load, voltage, temperature ... current

_FAULTS = {
    0x01: "its voltage is out of range",
    0x02: "its encoder failed",
    0x04: "it is too hot",
    0x08: "it draws too much current",
    0x20: "it is overloaded",
}


@dataclass(frozen=True)
class ServoState:
    """Position and speed in counts (4096 a turn), load as a share of the torque limit."""

    position: int
    speed: int
    load: float
    voltage_v: float
    temperature_c: int
    faults: tuple[str, ...]


class FeetechBus:
    """The servos `ids` at `port`. Every call raises `HardwareError` where the line or one of them
    does not answer."""

    def __init__(self, port: str, ids: Sequence[int]) -> None:
        self._port, self._ids = port, tuple(ids)
        self._lock = threading.Lock()
        self._serial: Any = None

    def open(self) -> None:
        try:
            import serial
        except ImportError as error:
            raise MissingPackageError("pyserial", "pip install 'robot-rl[so101]'") from error
        with self._lock, self._line("cannot be opened: is it plugged in, free, and yours to use?"):
            self._close()
            # Exclusive: a second reader would steal bytes.
            self._serial = serial.Serial(
                self._port, BAUD, timeout=_REPLY_S, write_timeout=0.2, exclusive=True
            )
        self._require_models()

    def close(self) -> None:
        with self._lock:
            self._close()

    def states(self) -> dict[int, ServoState]:
        """Of every servo, by its id: one request, 1.4 ms on the wire."""
        request = bytes([_STATE_AT, _STATE_BYTES, *self._ids])
        return dict(zip(self._ids, self._sync_read(request), strict=True))

    def goals(self, counts: Mapping[int, int]) -> None:
        """Where each servo shall go. None of them answers."""
        words = [struct.pack("<BH", servo, _signed(at, 15)) for servo, at in counts.items()]
        with self._lock, self._line("went away"):
            self._send(_EVERY_SERVO, _SYNC_WRITE, bytes(GOAL) + b"".join(words))

    def read(self, servo: int, register: tuple[int, int], sign: int = 0) -> int:
        """`sign` is the bit that carries it, where one does."""
        _, data = self._ask(servo, _READ, bytes(register), register[1])
        value = int.from_bytes(data, "little")
        return _unsigned(value, sign) if sign else value

    def write(self, servo: int, register: tuple[int, int], value: int) -> None:
        data = value.to_bytes(register[1], "little")
        self._ask(servo, _WRITE, bytes([register[0]]) + data, 0)

    def torque(self, on: bool, ids: Sequence[int] | None = None) -> None:
        """Of all, or of `ids`; each is told even where another does not answer. Raises what the
        first of those said."""
        first: HardwareError | None = None
        for servo in self._ids if ids is None else ids:
            try:
                self.write(servo, TORQUE, int(on))
            except HardwareError as error:
                first = first or error
        if first is not None:
            raise first

    # --------------------------------------------------------------------------- the line

    def _require_models(self) -> None:
        found: dict[int, int | None] = {}
        for servo in self._ids:
            try:
                found[servo] = self.read(servo, MODEL)
            except HardwareError:
                found[servo] = None
        wrong = {servo: model for servo, model in found.items() if model != STS3215}
        if wrong:
            told = ", ".join(
                f"{servo} {'is silent' if model is None else f'is a model {model}'}"
                for servo, model in wrong.items()
            )
            raise HardwareError(
                f"of the servos {', '.join(map(str, self._ids))} at {self._port}, {told}. Is the "
                "power supply on (USB feeds the adapter alone), every cable in, every id set?"
            )

    def _ask(self, servo: int, instruction: int, data: bytes, size: int) -> tuple[int, bytes]:
        """Error bits and data of the reply; asked again where it comes damaged or not at all."""
        for _ in range(_TRIES):
            with self._lock, self._line("went away"):
                self._send(servo, instruction, data)
                reply = self._reply(servo, size)
            if reply is not None:
                return reply
        raise HardwareError(f"servo {servo} at {self._port} does not answer ({_TRIES} tries).")

    def _sync_read(self, request: bytes) -> list[ServoState]:
        for _ in range(_TRIES):
            with self._lock, self._line("went away"):
                self._send(_EVERY_SERVO, _SYNC_READ, request)
                replies = list(self._replies())
            if len(replies) == len(self._ids):
                return [_state(*reply) for reply in replies]
        missing = self._ids[len(replies)]
        raise HardwareError(f"servo {missing} at {self._port} does not answer ({_TRIES} tries).")

    def _replies(self) -> Iterator[tuple[int, bytes]]:
        for servo in self._ids:
            reply = self._reply(servo, _STATE_BYTES)
            if reply is None:
                return
            yield reply

    def _send(self, servo: int, instruction: int, data: bytes) -> None:
        if self._serial is None:
            raise HardwareError(f"the serial port {self._port} is not open.")
        body = bytes([servo, len(data) + 2, instruction]) + data
        # An answer that came too late must not be taken for the next one.
        self._serial.reset_input_buffer()
        self._serial.write(b"\xff\xff" + body + bytes([~sum(body) & 0xFF]))

    def _reply(self, servo: int, size: int) -> tuple[int, bytes] | None:
        """None where none comes, or one that is not this servo's or fails its checksum."""
        packet = self._serial.read(6 + size)
        head = b"\xff\xff" + bytes([servo, size + 2])
        if len(packet) < 6 + size or packet[:4] != head:
            return None
        if ~sum(packet[2:-1]) & 0xFF != packet[-1]:
            return None
        return packet[4], packet[5:-1]

    @contextlib.contextmanager
    def _line(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, termios.error) as error:  # pyserial lets both through
            self._close()
            raise HardwareError(f"the serial port {self._port} {what} ({error}).") from error

    def _close(self) -> None:
        if self._serial is not None:
            with contextlib.suppress(OSError, termios.error):
                self._serial.close()
            self._serial = None


def _state(error: int, data: bytes) -> ServoState:
    position, speed, load, voltage, temperature = struct.unpack_from("<HHHBB", data)
    return ServoState(
        position=_unsigned(position, 15),
        speed=_unsigned(speed, 15),
        load=_unsigned(load, 10) / 1000.0,
        voltage_v=voltage / 10.0,
        temperature_c=temperature,
        faults=tuple(text for bit, text in _FAULTS.items() if error & bit),
    )


def _unsigned(word: int, sign: int) -> int:
    """Sign and magnitude, not two's complement."""
    size = word & ((1 << sign) - 1)
    return -size if word >> sign & 1 else size


def _signed(value: int, sign: int) -> int:
    return abs(value) | (1 << sign if value < 0 else 0)

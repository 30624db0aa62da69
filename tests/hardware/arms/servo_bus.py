"""A Feetech bus behind a pseudo-terminal: servos that move, and everything that can go wrong."""

import os
import select
import struct
import threading
import time
from dataclasses import dataclass, field

COUNTS_PER_S = 3000.0
_STEP_S = 0.002


@dataclass
class Servo:
    """`table` is its memory, as the manual numbers it."""

    number: int
    table: bytearray = field(default_factory=lambda: bytearray(128))
    position: float = 2048.0
    error: int = 0
    silent: bool = False
    blocked: bool = False

    def word(self, address):
        return struct.unpack_from("<H", self.table, address)[0]

    def set_word(self, address, value):
        struct.pack_into("<H", self.table, address, value)


class ServoBus:
    """`path` is the port. `unplug` ends it for ever."""

    def __init__(self, calibration):
        self.servos = {}
        for entry in calibration.values():
            servo = Servo(entry["id"])
            servo.set_word(3, 777)
            offset = entry["homing_offset"]
            servo.set_word(31, abs(offset) | (1 << 11 if offset < 0 else 0))
            servo.set_word(9, entry["range_min"])
            servo.set_word(11, entry["range_max"])
            servo.position = (entry["range_min"] + entry["range_max"]) / 2
            servo.set_word(42, 0)  # an old goal, far from where it stands
            self.servos[servo.number] = servo
        self.damaged = 0  # so many replies come with a wrong checksum
        self.late_s = 0.0
        self.split = False
        self._master, self._slave = os.openpty()
        self.path = os.ttyname(self._slave)
        self._wake, self._waker = os.pipe()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._run, self._move)
        ]
        self._plugged = True
        for thread in self._threads:
            thread.start()

    def unplug(self):
        if self._plugged:
            self._plugged = False
            os.write(self._waker, b"x")
            for thread in self._threads:
                thread.join()
            os.close(self._master)
            os.close(self._slave)

    def torque(self):
        return {number: servo.table[40] for number, servo in self.servos.items()}

    # ------------------------------------------------------------------------ motion

    def _move(self):
        while self._plugged:
            time.sleep(_STEP_S)
            for servo in self.servos.values():
                if servo.table[40] == 1 and not servo.blocked:
                    way = servo.word(42) - servo.position
                    most = COUNTS_PER_S * _STEP_S
                    servo.position += max(-most, min(most, way))

    # ---------------------------------------------------------------------- protocol

    def _run(self):
        received = bytearray()
        while True:
            ready, _, _ = select.select([self._master, self._wake], [], [])
            if self._wake in ready:
                return
            try:
                received += os.read(self._master, 4096)
            except OSError:
                time.sleep(0.005)
                continue
            while (packet := self._packet(received)) is not None:
                self._obey(*packet)

    def _packet(self, received):
        start = received.find(b"\xff\xff")
        if start < 0:
            return None
        del received[:start]
        if len(received) < 4 or len(received) < received[3] + 4:
            return None
        packet = bytes(received[: received[3] + 4])
        del received[: len(packet)]
        sound = ~sum(packet[2:-1]) & 0xFF == packet[-1]
        return (packet[2], packet[4], packet[5:-1]) if sound else None

    def _obey(self, number, instruction, data):
        if instruction == 0x82:
            address, size, *numbers = data
            self._send(b"".join(self._read(n, address, size) for n in numbers))
        elif instruction == 0x83:
            address, size = data[:2]
            for place in range(2, len(data), size + 1):
                servo = self.servos.get(data[place])
                if servo is not None and not servo.silent:
                    servo.table[address : address + size] = data[place + 1 : place + 1 + size]
        elif instruction == 0x02:
            self._send(self._read(number, *data))
        elif instruction == 0x03:
            self.servos[number].table[data[0] : data[0] + len(data) - 1] = data[1:]
            self._send(self._reply(number, b""))

    def _read(self, number, address, size):
        servo = self.servos.get(number)
        if servo is None or servo.silent:
            return b""
        servo.set_word(56, round(servo.position) % 4096)
        servo.table[62], servo.table[63] = 74, 30
        return self._reply(number, bytes(servo.table[address : address + size]))

    def _reply(self, number, data):
        servo = self.servos.get(number)
        if servo is None or servo.silent:
            return b""
        body = bytes([number, len(data) + 2, servo.error]) + data
        checksum = ~sum(body) & 0xFF
        if self.damaged:
            self.damaged -= 1
            checksum ^= 0x55
        return b"\xff\xff" + body + bytes([checksum])

    def _send(self, reply):
        time.sleep(self.late_s)
        pieces = [reply[i : i + 3] for i in range(0, len(reply), 3)] if self.split else [reply]
        for piece in filter(None, pieces):
            os.write(self._master, piece)

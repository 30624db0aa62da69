"""A controller that speaks xArm's command protocol on the loopback: it moves, errs and vanishes."""

import math
import socket
import struct
import threading
import time

VERSION = b"6,6,XI1304,AC1303,v2.5.0".ljust(40, b"\0")
_HEADER = struct.Struct(">HHH")


class XArmController:
    """Lengths in mm as on the wire; its tool points down. `error` stops it until it is cleaned."""

    def __init__(self):
        self.pose = [300.0, 0.0, 200.0, math.pi, 0.0, 0.0]
        self.joints = [0.0] * 7
        self.gripper, self.mode, self.state, self.error = 850, 0, 4, 0
        self.enabled = self.mute = False
        self._speeds, self._until_s, self._at_s = [0.0] * 7, 0.0, time.monotonic()
        self._lock = threading.Lock()
        self._links = []
        self._server = None
        self.port = 0
        self.plug_in()

    def plug_in(self):
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._server.settimeout(None)  # the SDK sets a default for the whole process
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def unplug(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for link in self._links:
            with_linger = struct.pack("ii", 1, 0)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, with_linger)
            try:
                link.shutdown(socket.SHUT_RD)
            except OSError:
                continue
            link.close()
        self._links = []

    def fail(self, error):
        with self._lock:
            self._move()
            self.error, self.state, self._speeds = error, 4, [0.0] * 7

    def now(self):
        """Pose and joints at this moment."""
        with self._lock:
            self._move()
            return list(self.pose), list(self.joints)

    # ----------------------------------------------------------------------------------

    def _move(self):
        now_s = time.monotonic()
        span_s = max(0.0, min(now_s, self._until_s) - self._at_s)
        if self.mode == 5:
            for place in (0, 1, 2, 5):
                self.pose[place] += span_s * self._speeds[place]
        elif self.mode == 4:
            self.joints = [q + span_s * v for q, v in zip(self.joints, self._speeds, strict=True)]
        self._at_s = now_s

    def _accept(self, server):
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            link.settimeout(None)
            self._links.append(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        received = b""
        while True:
            try:
                received += (data := link.recv(4096))
            except OSError:
                return
            if not data:
                return
            while len(received) >= 6 and len(received) >= 6 + (
                size := _HEADER.unpack_from(received)[2]
            ):
                number, protocol, _ = _HEADER.unpack_from(received)
                request, received = received[6 : 6 + size], received[6 + size :]
                with self._lock:
                    self._move()
                    reply = self._obey(request[0], request[1:])
                    ready = self.enabled and self.state < 4 and not self.error
                    status = (0x40 if self.error else 0) | (0 if ready else 0x10)
                if not self.mute:
                    head = _HEADER.pack(number, protocol, 2 + len(reply))
                    link.sendall(head + bytes([request[0], status]) + reply)

    def _obey(self, register, data):
        match register:
            case 1:
                return VERSION
            case 11:
                self.enabled = bool(data[1])
            case 12:
                self.state = 2 if data[0] == 0 and self.enabled and not self.error else 4
            case 13:
                return bytes([self.state])
            case 15:
                return bytes([self.error, 0])
            case 16:
                self.error = 0
            case 19:
                self.mode, self.state = data[0], 5
            case 41:
                return struct.pack("<6f", *self.pose)
            case 42:
                return struct.pack("<7f", *self.joints)
            case 81 | 82:
                self._speed(6 if register == 82 else 7, data)
            case 124:
                return self._gripper(data)
            case 128:
                return struct.pack(">i", 11)
        return b""

    def _speed(self, count, data):
        speeds = list(struct.unpack_from(f"<{count}f", data))
        duration_s = struct.unpack_from("<f", data, 4 * count + 1)[0]
        if self.state == 2 and not self.error:
            self._speeds = [*speeds, 0.0][:7]
            # As on the arm: without a duration it goes on.
            self._until_s = self._at_s + duration_s if duration_s > 0 else math.inf

    def _gripper(self, data):
        host, slave, function, address, count = struct.unpack_from(">BBBHH", data)
        if function == 0x10:
            if address == 0x0700:
                self.gripper = int.from_bytes(data[8:12], "big", signed=True)
            return struct.pack(">BBBHH", host, slave, function, address, count)
        value = self.gripper if address == 0x0702 else 0
        head = struct.pack(">BBBB", host, slave, 3, 2 * count)
        return head + value.to_bytes(2 * count, "big", signed=True)

"""A controller of a UR in a process of its own: RTDE, one-line programs, dashboard, gripper.

Of its own, because the client's constructors hold the interpreter. Told by lines on its input:
`protective`, `unplug`, `plug`, `where`; it answers each with one line of JSON.
"""

import contextlib
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time

_SIZES = {"VECTOR6D": "6d", "DOUBLE": "d", "INT32": "i"}
_TYPES = {
    "timestamp": "DOUBLE",
    **dict.fromkeys(("robot_mode", "safety_mode"), "INT32"),
}
_PORTS = {30004: "rtde", 30003: "programs", 29999: "dashboard", 63352: "gripper"}
_PROGRAM = re.compile(r"(speedl|speedj|stopl|stopj)\((?:\[(.*)\],)?(.*?)(?:,(.*))?\)$")


class Controller:
    def __init__(self, host):
        self.host, self.began_s = host, time.monotonic()
        self.values = {
            "actual_q": [0.1, -1.5, 1.4, -1.6, -1.57, 0.2],
            "actual_TCP_pose": [0.4, -0.1, 0.3, 0.0, 3.14, 0.0],
            "actual_TCP_force": [3.0, 0.0, 4.0, 0.0, 0.0, 0.0],
            "robot_mode": 7,
            "safety_mode": 1,
        }
        self.program, self.until_s = ("", [0.0] * 6), 0.0
        self.closed = 0
        self.stopped_s = 0.0
        self.lock = threading.Lock()
        self.links, self.servers = [], []
        threading.Thread(target=self.move, daemon=True).start()
        self.plug()

    def plug(self):
        for port, name in _PORTS.items():
            server = socket.create_server((self.host, port))
            self.servers.append(server)
            threading.Thread(target=self.accept, args=(server, name), daemon=True).start()

    def unplug(self):
        for each in (*self.servers, *self.links):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.servers, self.links = [], []

    def protective(self):
        with self.lock:
            self.values["safety_mode"], self.program = 3, ("", [0.0] * 6)
            self.stopped_s = time.monotonic()

    def where(self):
        with self.lock:
            return {**self.values, "closed": self.closed}

    def move(self):
        last_s = time.monotonic()
        while True:
            time.sleep(0.002)
            now_s = time.monotonic()
            with self.lock:
                verb, rates = self.program
                moves = now_s < self.until_s and self.values["safety_mode"] == 1
                speeds = rates if moves else [0.0] * 6
                for own, at, of in (
                    ("speedl", "actual_TCP_pose", "actual_TCP_speed"),
                    ("speedj", "actual_q", "actual_qd"),
                ):
                    self.values[of] = speeds if verb == own else [0.0] * 6
                    pairs = zip(self.values[at], self.values[of], strict=True)
                    self.values[at] = [x + v * (now_s - last_s) for x, v in pairs]
            last_s = now_s

    def accept(self, server, name):
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            self.links.append(link)
            threading.Thread(target=getattr(self, name), args=(link,), daemon=True).start()

    # ------------------------------------------------------------------------- the ports

    def rtde(self, link):
        asked = []
        try:
            while True:
                size, kind = struct.unpack(">HB", _exactly(link, 3))
                body = _exactly(link, size - 3)
                if kind == ord("V"):
                    _answer(link, kind, b"\x01")
                elif kind == ord("v"):
                    _answer(link, kind, struct.pack(">4I", 5, 12, 0, 0))
                elif kind == ord("O"):
                    asked = body[8:].decode().rstrip(",").split(",")
                    types = ",".join(_TYPES.get(name, "VECTOR6D") for name in asked)
                    _answer(link, kind, b"\x01" + types.encode())
                elif kind == ord("S"):
                    _answer(link, kind, b"\x01")
                    threading.Thread(target=self.tell, args=(link, asked), daemon=True).start()
        except OSError:
            return

    def tell(self, link, asked):
        while True:
            with self.lock:
                self.values["timestamp"] = time.monotonic() - self.began_s
                told = b"".join(self.packed(name) for name in asked)
            try:
                _answer(link, ord("U"), b"\x01" + told)
            except OSError:
                return
            time.sleep(0.008)

    def packed(self, name):
        value, kind = self.values[name], _TYPES.get(name, "VECTOR6D")
        numbers = value if kind == "VECTOR6D" else [value]
        return struct.pack(">" + _SIZES[kind], *numbers)

    def programs(self, link):
        for line in link.makefile():
            verb, rates, _, duration = _PROGRAM.match(line.strip()).groups()
            with self.lock:
                self.program = (verb, [float(r) for r in rates.split(",")] if rates else [0.0] * 6)
                self.until_s = time.monotonic() + float(duration or 0.0)

    def dashboard(self, link):
        link.sendall(b"Connected: Universal Robots Dashboard Server\n")
        for line in link.makefile():
            link.sendall(self.said(line.strip()).encode() + b"\n")

    def said(self, line):
        with self.lock:
            match line:
                case "PolyscopeVersion":
                    return "URSoftware 5.12.0.0 (Jan 01 2024)"
                case "safetystatus":
                    stopped = self.values["safety_mode"] == 3
                    return f"Safetystatus: {'PROTECTIVE_STOP' if stopped else 'NORMAL'}"
                case "close safety popup":
                    return "closing safety popup"
                case "unlock protective stop":
                    if time.monotonic() - self.stopped_s < 0.5:  # 5 s on a robot
                        return "Cannot unlock protective stop until 5s after occurrence"
                    self.values["safety_mode"] = 1
                    return "Protective stop releasing"
        return "what?"

    def gripper(self, link):
        for line in link.makefile():
            words = line.strip()
            with self.lock:
                if words.startswith("SET POS "):
                    self.closed = int(words.split()[-1])
                answers = {"GET POS": f"POS {self.closed}", "GET STA": "STA 3"}
                told = answers.get(words, "ack")
            link.sendall(told.encode() + b"\n")


def _exactly(link, size):
    data = b""
    while len(data) < size:
        more = link.recv(size - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def _answer(link, kind, body):
    link.sendall(struct.pack(">HB", len(body) + 3, kind) + body)


def main(host):
    controller = Controller(host)
    print("ready", flush=True)
    for line in sys.stdin:
        told = getattr(controller, line.strip())()
        print(json.dumps(told), flush=True)


class Remote:
    """The controller, from the tests' own process."""

    def __init__(self, host):
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, host],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def tell(self, word):
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


if __name__ == "__main__":
    main(sys.argv[1])

"""A network camera: motion JPEG on the loopback, which ends and comes back."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from hardware.cameras.opencv import OpenCVCamera
from robot_rl.errors import HardwareError


class Server:
    """Sends pictures that count up in grey, `height` x `width`."""

    def __init__(self):
        self.height, self.width = 48, 64
        self.cut = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                owner.stream(self.wfile)

            def log_message(self, *arguments): ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._http.server_port}/stream.mjpg"

    def stream(self, out):
        count = 0
        while not self.cut.wait(0.02):
            image = np.full((self.height, self.width, 3), 40 + 2 * (count % 80), np.uint8)
            count += 1
            jpeg = cv2.imencode(".jpg", image)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                out.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                return

    def close(self):
        self.cut.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


def read_on(camera, within_s=20.0):
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        camera.read(1.0)


def test_a_stream_is_read_and_its_end_is_told_and_it_can_be_opened_again(server):
    camera = OpenCVCamera(server.address, height=48, width=64)
    camera.connect()
    assert (camera.features.height, camera.features.width) == (48, 64)
    greys = [camera.read(5.0).image.mean() for _ in range(10)]
    assert np.all(np.diff(greys) > 0.5)
    server.cut.set()
    with pytest.raises(HardwareError, match="gave no frame: unplugged"):
        read_on(camera)
    camera.disconnect()
    server.cut.clear()
    camera.connect()
    assert camera.read(5.0).image.shape == (48, 64, 3)
    camera.disconnect()


def test_nobody_there():
    with pytest.raises(HardwareError, match="cannot be opened"):
        OpenCVCamera("http://127.0.0.1:9/stream.mjpg").connect()

"""A model server on the loopback that speaks the OpenAI protocol, knows the truth of what it is
shown, and misbehaves on demand."""

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np


def height_of(url: str) -> float:
    """The truth of a picture of `seen.picture`: where its square is."""
    data = base64.b64decode(url.partition(",")[2])
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    rows = np.flatnonzero((image > 128).any(1))
    return 1.0 - rows[0] / (image.shape[0] - 8)


class ModelServer:
    """`trouble` is a list of what goes wrong with the next answers, first to last: slow, 500, 404,
    cut, json, empty."""

    def __init__(self) -> None:
        self.trouble: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.say: Callable[[str, list[float]], Any] = self.truth
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Silent."""

            def do_GET(self) -> None:
                self._json({"data": [{"id": "truthful"}]})

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                server.asked.append(body)
                self._misbehave(server.trouble.pop(0) if server.trouble else "")
                self._json(server.answer(body))

            def _misbehave(self, how: str) -> None:
                if how == "slow":
                    time.sleep(1.0)
                elif how in ("500", "404"):
                    self.send_error(int(how))
                elif how == "cut":
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    self.wfile.write(b'{"choices": [')
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                elif how in ("json", "empty"):
                    self._json({"choices": []} if how == "empty" else None)
                if how:
                    raise ConnectionError(how)

            def _json(self, body: Any) -> None:
                data = b"{no json" if body is None else json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """What it was told to do wrong."""

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        parts = body["messages"][0]["content"]
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        seen = [height_of(p["image_url"]["url"]) for p in parts if p["type"] == "image_url"]
        said = self.say(text, seen)
        if isinstance(said, str):
            return {"choices": [{"message": {"content": said}}]}
        words, logprobs = said
        likeliest = [{"token": token, "logprob": value} for token, value in logprobs.items()]
        content = [{"token": words, "top_logprobs": likeliest}]
        return {"choices": [{"message": {"content": words}, "logprobs": {"content": content}}]}

    @staticmethod
    def truth(text: str, seen: list[float]) -> Any:
        """What a model that sees well would say."""
        if "completes" in text or "Decide whether" in text:
            chance = min(max(seen[-1], 0.01), 0.99)
            return "True", {" True": float(np.log(chance)), "False": float(np.log(1 - chance))}
        if "random order" in text:
            rows = [{"picture": i, "percent": 100 * h} for i, h in enumerate(seen[1:], 1)]
            return f"Here you are: {json.dumps(rows)} Good luck!"
        if "ANSWER" in text:
            return f"It is high. ANSWER: {1 + round(4 * seen[-1])}"
        if "any difference" in text:
            return f"The first is at {seen[0]:.2f}, the second at {seen[1]:.2f}."
        first, second = (float(x) for x in re.findall(r"at (\d\.\d+)", text)[:2])
        return "-1" if first == second else str(int(second > first))

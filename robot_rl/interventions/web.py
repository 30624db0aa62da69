"""The operator's web page: live picture, state, a dead-man button and axes.

Bound to localhost, opened with a token, fed over one WebSocket whose messages are small, few and
checked. Whoever is connected first drives; others watch.
"""

import asyncio
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from robot_rl.errors import HardwareError, MissingPackageError
from robot_rl.interventions.controls import Control, controls
from robot_rl.interventions.operator import OperatorState

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 1024
MAX_MESSAGES_PER_S = 100
_STATE_HZ = 10.0
_FRAME_HZ = 15.0
_START_TIMEOUT_S = 10.0


class TeleopPage:
    """Serves the page on a thread of its own.

    It has controls for `axes`. `state` gives what it shows, `frame` the newest JPEG; `actions` are
    buttons by name.
    """

    def __init__(
        self,
        operator: OperatorState,
        axes: Iterable[str],
        state: Callable[[], Mapping[str, Any]],
        frame: Callable[[], bytes | None],
        actions: Mapping[str, Callable[[], str]] | None = None,
        host: str = "127.0.0.1",
        port: int = 8090,
        token: str = "",
    ) -> None:
        try:
            import aiohttp.web
        except ImportError as error:
            raise MissingPackageError("aiohttp", "pip install 'robot-rl[teleop]'") from error
        self._web = aiohttp.web
        self._operator = operator
        self.axes = tuple(axes)
        self._state, self._frame = state, frame
        self._actions = dict(actions or {})
        self._host, self._port = host, port
        self.token = token or secrets.token_urlsafe(16)
        self._driver: Any = None
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._serve, name="teleop page", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}/?token={self.token}"

    def start(self) -> None:
        """Returns once the page answers. Raises `HardwareError` where the port is taken."""
        self._thread.start()
        self._started.wait(_START_TIMEOUT_S)
        if self._error is not None:
            raise HardwareError(
                f"the web page cannot listen on {self._host}:{self._port} "
                f"({self._error.strerror}). Choose another port: human.port=PORT, or the node's "
                "port:=PORT."
            )

    def close(self) -> None:
        self._operator.release()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=2.0)

    # ------------------------------------------------------------------ server

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = self._web.Application(client_max_size=MAX_MESSAGE_BYTES)
        app.router.add_get("/", self._page)
        app.router.add_get("/ws", self._connect)
        runner = self._web.AppRunner(app, access_log=None)
        try:
            self._loop.run_until_complete(runner.setup())
            site = self._web.TCPSite(runner, self._host, self._port)
            self._loop.run_until_complete(site.start())
        except OSError as error:
            self._error = error
            self._started.set()
            return
        self._port = runner.addresses[0][1]
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    async def _page(self, request: Any) -> Any:
        self._require_token(request)
        html = files("robot_rl.interventions").joinpath("page.html").read_text()
        headers = {
            "Content-Security-Policy": "default-src 'self' 'unsafe-inline' blob:; "
            "connect-src 'self'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        return self._web.Response(text=html, content_type="text/html", headers=headers)

    async def _connect(self, request: Any) -> Any:
        self._require_token(request)
        self._require_origin(request)
        socket = self._web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, heartbeat=1.0)
        await socket.prepare(request)
        if self._driver is None:
            self._driver = socket
        sender = asyncio.ensure_future(self._send(socket))
        try:
            await self._receive(socket)
        finally:
            sender.cancel()
            # The dead-man falls silent rather than being let go: see OperatorState.lost.
            if self._driver is socket:
                self._driver = None
        return socket

    def _require_token(self, request: Any) -> None:
        given = request.query.get("token", "")
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            raise self._web.HTTPForbidden(text="open the address that the node printed, with token")

    def _require_origin(self, request: Any) -> None:
        """A page of another site must not drive the arm through this browser."""
        origin = request.headers.get("Origin", "")
        if urlsplit(origin).netloc != request.host:
            raise self._web.HTTPForbidden(text=f"origin {origin or 'missing'} is not this page")

    # ------------------------------------------------------------------ socket

    async def _receive(self, socket: Any) -> None:
        budget, at_s = float(MAX_MESSAGES_PER_S), time.monotonic()
        async for message in socket:
            now_s = time.monotonic()
            budget = min(budget + (now_s - at_s) * MAX_MESSAGES_PER_S, float(MAX_MESSAGES_PER_S))
            at_s, budget = now_s, budget - 1.0
            if budget < 0 or message.type != self._web.WSMsgType.TEXT:
                reason = b"too many messages" if budget < 0 else b"text messages only"
                await socket.close(code=1008, message=reason)
                return
            await self._take(socket, message.data)

    async def _take(self, socket: Any, text: str) -> None:
        try:
            message = json.loads(text)
            if "action" in message:
                answer = await asyncio.to_thread(self._actions[message["action"]])
                await socket.send_json({"answer": answer})
                return
            held, axes = self._wish(message)
        except (ValueError, KeyError, TypeError, AttributeError):
            await socket.close(code=1007, message=b"malformed message")
            return
        if socket is self._driver:
            self._operator.set(held, axes)

    def _wish(self, message: Mapping[str, Any]) -> tuple[bool, dict[str, float]]:
        """Dead-man and deflections. Raises `ValueError` for an axis that has no control."""
        axes = {name: float(value) for name, value in message["axes"].items()}
        if not axes.keys() <= set(self.axes):
            raise ValueError(f"the page has no control for one of {', '.join(axes)}")
        return message["held"] is True, axes

    async def _send(self, socket: Any) -> None:
        await socket.send_json({"controls": [_drawn(control) for control in controls(self.axes)]})
        last: bytes | None = None
        next_state_s = 0.0
        while not socket.closed:
            frame = self._frame()
            if frame is not None and frame is not last:
                last = frame
                await socket.send_bytes(frame)
            if time.monotonic() >= next_state_s:
                next_state_s = time.monotonic() + 1.0 / _STATE_HZ
                await socket.send_json({**self._state(), "driver": socket is self._driver})
            await asyncio.sleep(1.0 / _FRAME_HZ)


def _drawn(control: Control) -> dict[str, Any]:
    return {"axis": control.axis, "words": control.words, "keys": control.keys}

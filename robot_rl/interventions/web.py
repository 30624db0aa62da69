"""The operator's web page: live picture, state, a dead-man button and axes.

Bound to localhost, opened with a token, fed over one WebSocket whose messages are small, few and
checked. Whoever is connected first drives; others watch.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from robot_rl.interventions.controls import Control, controls
from robot_rl.interventions.device import EVENTS, Event
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.page_server import PageServer

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 1024
MAX_MESSAGES_PER_S = 100
_STATE_HZ = 10.0
_FRAME_HZ = 15.0


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
        routes = {("GET", "/ws"): self._connect}
        remedy = "human.port=PORT, or the node's port:=PORT"
        html = ("robot_rl.interventions", "page.html")
        self._server = PageServer(html, routes, MAX_MESSAGE_BYTES, remedy, host, port, token)
        self._operator = operator
        self.axes = tuple(axes)
        self._state, self._frame = state, frame
        self._actions = dict(actions or {})
        self._driver: Any = None

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def token(self) -> str:
        return self._server.token

    def start(self) -> None:
        """Returns once the page answers. Raises `HardwareError` where the port is taken."""
        self._server.start()

    def close(self) -> None:
        self._operator.release()
        self._server.close()

    async def _connect(self, request: Any) -> Any:
        self._server.require_token(request)
        self._server.require_origin(request)
        socket = self._server.web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, heartbeat=1.0)
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

    # ------------------------------------------------------------------ socket

    async def _receive(self, socket: Any) -> None:
        budget, at_s = float(MAX_MESSAGES_PER_S), time.monotonic()
        async for message in socket:
            now_s = time.monotonic()
            budget = min(budget + (now_s - at_s) * MAX_MESSAGES_PER_S, float(MAX_MESSAGES_PER_S))
            at_s, budget = now_s, budget - 1.0
            if budget < 0 or message.type != self._server.web.WSMsgType.TEXT:
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


def sayings(operator: OperatorState) -> dict[str, Callable[[], str]]:
    """A button for each of what an operator can say beside driving."""
    return {event: partial(_say, operator, event) for event in EVENTS}


def _say(operator: OperatorState, event: Event) -> str:
    operator.say(event)
    return f"noted: {event}"


def _drawn(control: Control) -> dict[str, Any]:
    return {"axis": control.axis, "words": control.words, "keys": control.keys}

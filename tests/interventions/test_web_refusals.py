"""What the page refuses: strangers, other origins, and messages too large, too many or wrong."""

import asyncio
import json
import time

import aiohttp
import pytest

from robot_rl.errors import HardwareError
from robot_rl.interventions.web import MAX_MESSAGE_BYTES, TeleopPage
from tests.interventions.served import Served


async def _status(url: str, **headers: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status


def _socket_url(served: Served, token: str = "secret") -> str:
    return served.page.url.split("/?")[0] + f"/ws?token={token}"


def _origin(served: Served) -> str:
    return served.page.url.split("/?")[0]


def test_the_token_and_the_origin_are_checked(served):
    page = served.page.url.replace("secret", "guess")
    assert asyncio.run(_status(page)) == 403
    assert asyncio.run(_status(served.page.url.split("?")[0])) == 403
    assert asyncio.run(_status(_socket_url(served, "guess"), Origin=_origin(served))) == 403
    assert asyncio.run(_status(_socket_url(served), Origin="http://evil.example")) == 403
    assert asyncio.run(_status(_socket_url(served))) == 403


async def _talk(served: Served, messages: list[str]) -> int | None:
    """The close code that these messages earn, None where the socket stays open."""
    headers = {"Origin": _origin(served)}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(_socket_url(served), headers=headers) as socket,
    ):
        for message in messages:
            await socket.send_str(message)
        end_s = time.monotonic() + 0.7
        while time.monotonic() < end_s and not socket.closed:
            try:
                await socket.receive(timeout=0.2)
            except TimeoutError:
                continue
        return socket.close_code


def test_size_rate_and_shape_of_messages_are_limited(served):
    wish = json.dumps({"held": True, "axes": {"tcp_x": 0, "gripper": 0.5}})
    assert asyncio.run(_talk(served, [wish] * 3)) is None
    assert asyncio.run(_talk(served, ["x" * (MAX_MESSAGE_BYTES + 1)])) == 1009
    assert asyncio.run(_talk(served, [wish] * 300)) == 1008
    for wrong in (
        "not json",
        '{"held": true}',
        '{"axes": [0, 0, 0, 0], "held": true}',
        '{"axes": {"tcp_x": "far"}, "held": true}',
        '{"axes": {"tcp_rz": 1}, "held": true}',  # which this arm has not
        '{"action": "format the disk"}',
        "[1]",
    ):
        assert asyncio.run(_talk(served, [wrong])) == 1007


def test_only_the_first_to_come_drives(served):
    async def second_drives() -> bool:
        headers = {"Origin": _origin(served)}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(_socket_url(served), headers=headers),
            session.ws_connect(_socket_url(served), headers=headers) as second,
        ):
            await second.send_json({"held": True, "axes": {"tcp_x": 1}})
            await asyncio.sleep(0.1)
            return served.operator.wish().held

    assert not asyncio.run(second_drives())


def test_numbers_that_are_not_finite_let_go(served):
    served.operator.set(True, {"tcp_x": float("nan"), "tcp_y": 1.0})
    assert not served.operator.wish().held
    assert served.operator.wish().axes == {}
    served.operator.set(True, {"tcp_x": 2.0, "tcp_rz": -9.0})
    assert served.operator.wish().axes == {"tcp_x": 1.0, "tcp_rz": -1.0}


def test_a_port_that_is_taken_is_said(served):
    port = int(served.page.url.split(":")[2].split("/")[0])
    with pytest.raises(HardwareError, match=f"127.0.0.1:{port}"):
        TeleopPage(served.operator, (), dict, lambda: None, port=port).start()

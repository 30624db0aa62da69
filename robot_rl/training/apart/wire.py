"""One connection between an actor and its learner: both prove that they know a token, and what
travels is JSON and bytes, never pickle. The content is not encrypted: docs/apart.md."""

import contextlib
import json
import os
import socket
import struct
from collections.abc import Sequence
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any, NamedTuple, Self

from robot_rl.errors import ConfigError, HardwareError

Address = tuple[str, int]

# An actor speaks twice a second; who is silent for longer has gone, or its network has.
SILENCE_S = 5.0
_DIAL_S = 3.0
_LARGEST_BYTES = 1 << 30
_HEADER = struct.Struct("<I")
_TIMEVAL = struct.Struct("ll")


class Message(NamedTuple):
    """Plain data, and bytes beside it."""

    data: dict[str, Any]
    blobs: list[bytes]


class Wire:
    """Messages both ways. `OSError` or `EOFError` say that the other one is gone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._fileno = connection.fileno()

    @classmethod
    def over(cls, link: socket.socket) -> Self:
        """Takes `link` over; nothing on it waits longer than `SILENCE_S`."""
        link.settimeout(None)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        patience = _TIMEVAL.pack(int(SILENCE_S), 0)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            link.setsockopt(socket.SOL_SOCKET, option, patience)
        return cls(Connection(link.detach()))

    def prove(self, token: bytes, dialled: bool) -> None:
        """Each asks the other. Raises `AuthenticationError` for another token, `OSError` where
        somebody answers who is neither actor nor learner."""
        turns = (answer_challenge, deliver_challenge)
        try:
            for turn in turns if dialled else reversed(turns):
                turn(self._connection, token)
        except AssertionError as error:  # how the standard library meets strangers
            raise OSError(f"a stranger answered: {error}") from error

    def send(self, data: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
        header = json.dumps({**data, "sizes": [len(blob) for blob in blobs]}).encode()
        self._connection.send_bytes(b"".join([_HEADER.pack(len(header)), header, *blobs]))

    def receive(self) -> Message:
        """Raises `OSError` for what is no message, too."""
        whole = self._connection.recv_bytes(_LARGEST_BYTES)
        try:
            place = _HEADER.size + _HEADER.unpack_from(whole)[0]
            data = json.loads(whole[_HEADER.size : place])
            blobs = []
            for size in data.pop("sizes"):
                blobs.append(whole[place : place + size])
                place += size
        except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise OSError(f"this is no message of an actor or a learner: {error}") from error
        return Message(data, blobs)

    def hang_up(self) -> None:
        """From another thread: whoever reads or writes here finds the other one gone."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._fileno)) as link:
            link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()


def dial(address: Address, token: bytes) -> Wire:
    """Raises `OSError` where nobody listens, `ConfigError` where the token is another."""
    wire = Wire.over(socket.create_connection(address, _DIAL_S))
    try:
        wire.prove(token, dialled=True)
    except AuthenticationError as error:
        wire.close()
        raise ConfigError(
            f"the learner at {written(address)} has another token. Give its own: --token FILE is "
            "`token` in the run directory of that learner."
        ) from error
    except (OSError, EOFError):
        wire.close()
        raise
    return wire


def listen(address: Address) -> socket.socket:
    """Raises `HardwareError` where the address is taken or is none of this machine."""
    try:
        return socket.create_server(address)
    except OSError as error:
        raise HardwareError(
            f"nobody can listen at {written(address)}: {error.strerror}. Choose another with "
            "actors.address=HOST:PORT (127.0.0.1:0 takes any free port of this machine alone)."
        ) from error


def written(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def parsed(text: str) -> Address:
    """Of HOST:PORT. Raises `ConfigError` for anything else."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 1 << 16):
        raise ConfigError(f"'{text}' is no address; write HOST:PORT, such as 127.0.0.1:5599.")
    return host, int(port)

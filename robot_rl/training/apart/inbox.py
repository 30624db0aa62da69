"""Where a learner hears its actors: on threads, so that none of them waits for an update."""

import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from typing import Any

from robot_rl.errors import ConfigError, CorruptFileError, OutOfSpaceError
from robot_rl.training.apart.intake import GapError, Intake, Row
from robot_rl.training.apart.letters import (
    Hello,
    Parcel,
    Receipt,
    Refusal,
    Welcome,
    packed,
    receive,
    send,
)
from robot_rl.training.apart.wire import SILENCE_S, Address, Wire, listen, written
from robot_rl.training.episode import Episode
from robot_rl.training.sink import Sink

log = logging.getLogger(__name__)

_BREATH_S = 0.2
_STRANGERS = 32  # connections at once that are no actor's, or not yet


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What an actor is told of the run that it collects for."""

    run: str
    config: Mapping[str, Any]
    interface: Mapping[str, Any]


@dataclass(frozen=True)
class _Weights:
    version: int = 0
    tree: Any = None
    tensors: bytes = b""


class Inbox:
    """Takes what actors send to disk at once, and hands it over when `deliver` asks for it.

    A thread per connection; `deliver`, `publish` and the rest belong to the learner's own. A
    simulation that is more than `ahead_steps` before the learner is told to wait.
    """

    def __init__(
        self, intakes: Sequence[Intake], identity: Identity, token: bytes, ahead_steps: int
    ) -> None:
        self._intakes, self._identity, self._token = intakes, identity, token
        self._ahead_steps = ahead_steps
        self._weights = _Weights()
        self._arrived: deque[Row | Episode] = deque()
        self._news = threading.Condition()
        self._wires: set[Wire] = set()
        self._at_work: set[int] = set()
        self._closing = False
        self._lock = threading.Lock()
        self._server: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._error: OutOfSpaceError | None = None
        self._owed = 0  # steps that the learner has not learned from yet
        self._done = False

    def open(self, address: Address) -> Address:
        """Listen there; where that really is. Raises `HardwareError`."""
        self._server = listen(address)
        threading.Thread(target=self._accept, name="inbox", daemon=True).start()
        return self._server.getsockname()[:2]

    @property
    def connected(self) -> set[int]:
        """Actors that are there now."""
        with self._lock:
            return set(self._at_work)

    # ---------------------------------------------------------------- the learner's side

    def deliver(self, sink: Sink) -> int:
        """All that arrived, into `sink`; how many steps. Raises what kept a thread from writing."""
        steps = 0
        while self._arrived:
            item = self._arrived.popleft()
            if isinstance(item, Episode):
                sink.end(item)
            else:
                item.into(sink)
                steps += item.step is not None
        if self._error is not None:
            raise self._error
        return steps

    def wait(self, timeout_s: float) -> None:
        """Until something has arrived."""
        with self._news:
            self._news.wait_for(lambda: self._arrived or self._error, timeout_s)

    def publish(self, version: int, state: Mapping[str, Any]) -> None:
        """Weights for whoever asks next."""
        tree, tensors = packed(state)
        self._weights = _Weights(version, tree, tensors)

    def owes(self, steps: int) -> None:
        """So many steps were delivered that the learner has not learned from yet."""
        self._owed = steps

    def finish(self) -> None:
        """Tell every actor that the run is over."""
        self._done = True

    def close(self) -> None:
        """Hang up on everybody; when it returns nothing is being written any more."""
        with self._lock:
            self._closing = True
            for wire in self._wires:
                wire.hang_up()
        if self._server is not None:
            with contextlib.suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts there
            self._server.close()
        for thread in self._threads:
            thread.join(2 * SILENCE_S)

    # ------------------------------------------------------------------- the actors' side

    def _accept(self) -> None:
        assert self._server is not None
        while not self._closing:
            try:
                link, (host, port, *_) = self._server.accept()
            except OSError as error:
                if not self._closing:
                    log.warning("an actor could not be let in: %s", error)
                    time.sleep(_BREATH_S)
                continue
            self._threads = [*filter(threading.Thread.is_alive, self._threads)]
            if len(self._threads) >= len(self._intakes) + _STRANGERS:
                link.close()
                continue
            where = written((host, port))
            thread = threading.Thread(target=self._meet, args=(link, where), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _meet(self, link: socket.socket, where: str) -> None:
        try:
            with self._kept(Wire.over(link)) as wire:
                self._hear(wire, where)
        except (OSError, EOFError):
            return  # gone, or a stranger

    @contextlib.contextmanager
    def _kept(self, wire: Wire) -> Iterator[Wire]:
        """Hung up when the inbox closes, if that comes first."""
        with self._lock:
            self._wires.add(wire)
        try:
            if self._closing:
                raise EOFError
            yield wire
        finally:
            with self._lock:
                self._wires.discard(wire)
            wire.close()

    def _hear(self, wire: Wire, where: str) -> None:
        try:
            wire.prove(self._token, dialled=False)
            self._serve(wire)
        except AuthenticationError:
            log.warning("%s has another token, and was turned away", where)
        except ConfigError as error:
            _refuse(wire, str(error))

    def _serve(self, wire: Wire) -> None:
        hello, _ = receive(wire)
        if not isinstance(hello, Hello):
            return
        actor = hello.actor
        if not 0 <= actor < len(self._intakes):
            _refuse(wire, f"this run has the actors 0 to {len(self._intakes) - 1}, none {actor}")
            return
        with self._lock:
            taken = actor in self._at_work
            self._at_work.add(actor)
        if taken:
            _refuse(wire, f"actor {actor} is at work already, in another process", again=True)
            return
        try:
            self._converse(wire, actor)
        finally:
            with self._lock:
                self._at_work.discard(actor)

    def _converse(self, wire: Wire, actor: int) -> None:
        intake = self._intakes[actor]
        identity = self._identity
        send(
            wire,
            Welcome(
                run=identity.run,
                config=dict(identity.config),
                interface=dict(identity.interface),
                steps=intake.steps,
                checksum=intake.checksum,
            ),
        )
        while True:
            letter, records = receive(wire)
            if not isinstance(letter, Parcel):
                return
            try:
                self._take(intake, letter, records)
            except (GapError, CorruptFileError) as error:
                log.warning("actor %d: %s; it begins anew", actor, error)
                return
            self._acknowledge(wire, intake, letter.weights_version)

    def _take(self, intake: Intake, parcel: Parcel, records: Sequence[bytes]) -> None:
        try:
            for item in intake.take(parcel, records):
                self._arrived.append(item)
        except (OutOfSpaceError, OSError) as error:  # of this disk: for the learner to tell
            self._error = error if isinstance(error, OutOfSpaceError) else _full(error)
            raise EOFError(str(error)) from error
        finally:
            with self._news:
                self._news.notify_all()

    def _acknowledge(self, wire: Wire, intake: Intake, theirs: int) -> None:
        weights = self._weights
        newer = weights.version != theirs
        receipt = Receipt(
            steps=intake.steps,
            total=sum(each.steps for each in self._intakes),
            version=weights.version,
            go=self._owed + len(self._arrived) <= self._ahead_steps,
            done=self._done,
            weights=weights.tree if newer else None,
        )
        send(wire, receipt, [weights.tensors] if newer else [])


def _full(error: OSError) -> OutOfSpaceError:
    return OutOfSpaceError(
        f"what the actors send cannot be written: {error}. Free some space and start the same "
        "command again; they keep it until then."
    )


def _refuse(wire: Wire, reason: str, again: bool = False) -> None:
    send(wire, Refusal(refused=reason, again=again))

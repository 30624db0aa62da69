"""The actor's end: sends what was collected, brings acknowledgements and newer weights."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from robot_rl.errors import ConfigError, EnvWorkerError
from robot_rl.training.apart.letters import (
    Hello,
    Receipt,
    Refusal,
    Welcome,
    receive,
    send,
    unpacked,
)
from robot_rl.training.apart.spool import Spool
from robot_rl.training.apart.wire import SILENCE_S, Address, Wire, dial, written

log = logging.getLogger(__name__)

_HEARTBEAT_S = 0.5
_RETRY_S = 0.25
_TAKEN_S = 2 * SILENCE_S  # by then whoever had this number and died is forgotten


def greet(address: Address, token: bytes, actor: int) -> tuple[Wire, Welcome]:
    """Raises `OSError` or `EOFError` without a learner, `_TakenError` and `ConfigError` where it
    refuses."""
    wire = dial(address, token)
    try:
        send(wire, Hello(actor=actor))
        answer, _ = receive(wire)
        if isinstance(answer, Refusal):
            kind = _TakenError if answer.again else ConfigError
            raise kind(f"the learner at {written(address)} refuses: {answer.refused}.")
        if not isinstance(answer, Welcome):
            raise OSError("no welcome came")
    except BaseException:
        wire.close()
        raise
    return wire, answer


class _TakenError(ConfigError):
    """Another process has this actor's number, or had it a moment ago."""


def first_welcome(
    address: Address,
    token: bytes,
    actor: int,
    patience_s: float,
    stop: Callable[[], bool] = lambda: False,
) -> Welcome | None:
    """None after `stop`. Raises `EnvWorkerError` where no learner answers in time, `ConfigError`
    where it refuses."""
    began_s, told = time.monotonic(), False
    while not stop():
        waited_s = time.monotonic() - began_s
        try:
            wire, welcome = greet(address, token, actor)
        except _TakenError:
            if waited_s > _TAKEN_S:
                raise
        except (OSError, EOFError) as error:
            if waited_s > patience_s:
                raise _gone(address, patience_s) from error
        else:
            wire.close()
            return welcome
        if not told:
            log.info("waiting for the learner at %s", written(address))
            told = True
        time.sleep(_RETRY_S)
    return None


def _gone(address: Address, patience_s: float) -> EnvWorkerError:
    return EnvWorkerError(
        f"no learner answered at {written(address)} for {patience_s:g} s (actors.patience_s). What "
        "was collected is kept here; start the learner, then the same command again."
    )


class Courier:
    """On a thread of its own between `spool` and the learner at `address`, from which it returns by
    itself; `error` is there once it gave up. The collector reads it between two steps."""

    def __init__(
        self, spool: Spool, address: Address, token: bytes, actor: int, patience_s: float
    ) -> None:
        self._spool, self._address, self._token, self._actor = spool, address, token, actor
        self._patience_s = patience_s
        self.error: Exception | None = None
        self.receipt: Receipt | None = None  # the newest
        self._state: dict[str, Any] | None = None  # weights not yet taken
        self._version = -1
        self._heard_s = time.monotonic()
        self._refused_s = math.inf  # since when another process has this number
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """What is left travels first, where the learner is there."""
        self._closing.set()
        self._thread.join(2 * SILENCE_S)
        self._spool.release()

    # --------------------------------------------------------------- the collector's side

    @property
    def done(self) -> bool:
        """The run is over."""
        return self.receipt is not None and self.receipt.done

    @property
    def unacknowledged(self) -> int:
        """Steps of which the learner has not said that it has them."""
        there = 0 if self.receipt is None else self.receipt.steps
        return max(0, self._spool.journal.steps - there)

    def weights(self) -> dict[str, Any] | None:
        """Newer ones, once each."""
        state, self._state = self._state, None
        return state

    def require_sound(self) -> None:
        if self.error is not None:
            raise self.error

    # ------------------------------------------------------------------------ the thread

    def _work(self) -> None:
        try:
            while not self._closing.is_set() and not self.done:
                self._visit()
                self._closing.wait(_RETRY_S)
        except Exception as error:  # the collector raises it, whatever it is
            self.error = error

    def _visit(self) -> None:
        """As long as the connection holds. Raises where there is no more hope."""
        try:
            wire, welcome = greet(self._address, self._token, self._actor)
        except _TakenError:
            self._refused_s = min(self._refused_s, time.monotonic())
            if time.monotonic() - self._refused_s > _TAKEN_S:
                raise
            return
        except (OSError, EOFError) as error:
            if time.monotonic() - self._heard_s > self._patience_s:
                raise _gone(self._address, self._patience_s) from error
            return
        self._refused_s = math.inf
        try:
            self._spool.seek(welcome.steps, welcome.checksum)
            while self._exchange(wire):
                pass
        except (OSError, EOFError):
            log.info("the learner at %s went away; waiting for it", written(self._address))
        finally:
            wire.close()

    def _exchange(self, wire: Wire) -> bool:
        """One parcel and its receipt; whether to go on."""
        leaving = self._closing.is_set()
        parcel, records = self._spool.parcel(self._version)
        send(wire, parcel, records)
        receipt, blobs = receive(wire)
        if not isinstance(receipt, Receipt):
            raise OSError("no receipt came")
        self._spool.received(receipt.steps)
        self.receipt, self._heard_s = receipt, time.monotonic()
        if receipt.weights is not None:
            self._state = unpacked(receipt.weights, blobs[0])
            self._version = receipt.version
        if receipt.done or (leaving and not records):
            return False
        if not records and not leaving:
            self._spool.wait(_HEARTBEAT_S)
        return True

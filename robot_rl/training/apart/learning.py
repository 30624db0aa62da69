"""Learning from actors: take what came, make the updates that it owes, publish what was learned."""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from robot_rl.clocks import Every
from robot_rl.errors import HardwareError
from robot_rl.training.apart.inbox import Identity, Inbox
from robot_rl.training.apart.intake import Intake
from robot_rl.training.apart.wire import Address, parsed, written
from robot_rl.training.learner import Learner
from robot_rl.training.monitor import Monitor
from robot_rl.training.run import write_text
from robot_rl.training.sink import Sink

log = logging.getLogger(__name__)

_UPDATES_AT_ONCE = 4  # then what arrived meanwhile is taken
_IDLE_S = 0.2
_LOOK_S = 0.1  # after the actors: a cluster takes its time to answer
_GOODBYE_S = 5.0


class Crew(Protocol):
    """Whoever starts actors, and starts them anew. `ours` leave when the learner does."""

    ours: bool

    def keep_up(self, connected: set[int]) -> bool:
        """Whether one left in order: its operator ends the session.

        Raises `EnvWorkerError` where one cannot go on.
        """
        ...

    def stop(self) -> None:
        """Of those that are left."""
        ...


class Volunteers:
    """Actors that somebody else starts, and that wait for the next learner."""

    ours = False

    def keep_up(self, connected: set[int]) -> bool:
        return False

    def stop(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Apart:
    """How actors find the learner at `address`, know it by `identity` and `token`, and who starts
    them once it listens. A port of 0 is any, and the one in the file `remembered` if that is free.
    """

    identity: Identity
    token: bytes
    address: Address
    remembered: Path
    ahead_steps: int
    publish_every_s: float
    make_crew: Callable[[Address], Crew]

    def open(self, learner: Learner, sink: Sink) -> "LearnFromActors":
        """Listening. Raises `HardwareError` where the address is taken."""
        parts = learner.parts
        intakes = [Intake(j, lane, parts.interface) for lane, j in enumerate(parts.journals)]
        inbox = Inbox(intakes, self.identity, self.token, self.ahead_steps)
        address = self._listen(inbox)
        write_text(self.remembered, written(address))
        return LearnFromActors(learner, inbox, sink, self.make_crew(address), self.publish_every_s)

    def _listen(self, inbox: Inbox) -> Address:
        host, port = self.address
        if port == 0 and self.remembered.exists():
            before = parsed(self.remembered.read_text())[1]
            try:
                return inbox.open((host, before))
            except HardwareError:
                log.warning("port %d, where actors may wait, is taken by now", before)
        return inbox.open((host, port))


class LearnFromActors:
    """`learner` beside the actors of `inbox`, whose steps go into `sink`."""

    def __init__(
        self, learner: Learner, inbox: Inbox, sink: Sink, crew: Crew, publish_every_s: float
    ) -> None:
        self._learner, self._inbox, self._sink, self._crew = learner, inbox, sink, crew
        self._due = Every(publish_every_s, start=-publish_every_s)
        self._look = Every(_LOOK_S)
        self._published = (-1, -1)

    def run(self, monitor: Monitor, stop: Callable[[], bool]) -> None:
        """Until the run is complete, `stop`, or an operator's wish. Raises what keeps it from
        going on."""
        learner = self._learner
        with contextlib.ExitStack() as closing:
            closing.callback(self._inbox.close)
            closing.callback(self._crew.stop)
            learner.begin(monitor, stop)
            learner.learn_offline(monitor, stop)
            while not (learner.complete or stop()):
                if learner.finished:
                    self._inbox.finish()  # what is owed is learned without them
                elif self._look(time.monotonic()) and self._crew.keep_up(self._inbox.connected):
                    break
                self._turn(stop)
                learner.keep_up(monitor, stop)
            self._dismiss()
        self._take()  # what came until then

    def _turn(self, stop: Callable[[], bool]) -> None:
        arrived = self._take()
        made = self._learner.catch_up(stop, at_most=_UPDATES_AT_ONCE)
        self._inbox.owes(self._learner.steps_behind)
        self._publish()
        if not (arrived or made):
            self._inbox.wait(_IDLE_S)

    def _take(self) -> int:
        steps = self._inbox.deliver(self._sink)
        self._learner.collected(steps)
        return steps

    def _publish(self) -> None:
        at = (self._learner.updates, self._learner.step)
        if at != self._published and self._due(time.monotonic()):
            self._published = at
            # No two learners of a run ever give the same number to different weights.
            self._inbox.publish(time.time_ns(), self._learner.parts.agent.actor().state_dict())

    def _dismiss(self) -> None:
        """Everybody hears that the run is over, and those who are ours that it pauses."""
        if not (self._learner.finished or self._crew.ours):
            return
        self._inbox.finish()
        until_s = time.monotonic() + _GOODBYE_S
        while self._inbox.connected and time.monotonic() < until_s:
            time.sleep(0.05)

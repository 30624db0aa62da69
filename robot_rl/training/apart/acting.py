"""What an actor does all day: act with the newest weights, record, and never wait for anybody."""

import time
from collections.abc import Callable

from robot_rl.agents.base import Actor
from robot_rl.training.apart.courier import Courier
from robot_rl.training.collector import Collector

_WAIT_S = 0.02


class Acting:
    """`collector` drives one environment with `actor`; `courier` speaks to the learner meanwhile.

    A simulation waits where it is more than `ahead_steps` before the learner, or before what that
    has received; in real time, without a number, it goes on whatever the learner does.
    """

    def __init__(
        self,
        collector: Collector,
        actor: Actor,
        courier: Courier,
        seed_steps: int,
        ahead_steps: int | None,
    ) -> None:
        self._collector, self._actor, self._courier = collector, actor, courier
        self._seed_steps, self._ahead_steps = seed_steps, ahead_steps

    @property
    def real_time(self) -> bool:
        """Whether it never waits."""
        return self._ahead_steps is None

    def run(self, stop: Callable[[], bool]) -> None:
        """Until the run is over, `stop`, or an operator's wish. Raises `EnvWorkerError` where the
        learner is gone for good, and whatever ends collecting."""
        courier, collector = self._courier, self._collector
        courier.start()
        try:
            if self._first_weights(stop):
                collector.start()  # nothing moves before there is something to move it
                while not (stop() or courier.done or collector.stop_wished):
                    self._step()
        finally:
            collector.close()
            courier.close()

    def _first_weights(self, stop: Callable[[], bool]) -> bool:
        while not (stop() or self._courier.done):
            self._courier.require_sound()
            if self._refresh():
                return True
            time.sleep(_WAIT_S)
        return False

    def _step(self) -> None:
        self._courier.require_sound()
        self._refresh()
        receipt, behind = self._courier.receipt, self._courier.unacknowledged
        assert receipt is not None  # it came with the first weights
        if self._ahead_steps is not None and not (receipt.go and behind <= self._ahead_steps):
            time.sleep(_WAIT_S)
            return
        self._collector.act(random=receipt.total + behind < self._seed_steps)
        self._collector.receive()

    def _refresh(self) -> bool:
        state = self._courier.weights()
        if state is not None:
            self._actor.load_state_dict(state)
        return state is not None

"""What an actor does all day: act with the newest weights, record, and never wait for anybody."""

import time
from collections.abc import Callable

from robot_rl.agents.base import Actor
from robot_rl.training.apart.courier import Courier
from robot_rl.training.collector import Collector

_WAIT_S = 0.02


class Acting:
    """`collector` drives one environment with `actor`; `courier` speaks to the learner meanwhile.

    In `real_time` it goes on whatever the learner does; a simulation waits where it is far ahead.
    """

    def __init__(
        self,
        collector: Collector,
        actor: Actor,
        courier: Courier,
        seed_steps: int,
        real_time: bool,
    ) -> None:
        self._collector, self._actor, self._courier = collector, actor, courier
        self._seed_steps, self._real_time = seed_steps, real_time

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
        receipt = self._courier.receipt
        assert receipt is not None
        if not (self._real_time or receipt.go):
            time.sleep(_WAIT_S)
            return
        self._collector.act(random=receipt.total < self._seed_steps)
        self._collector.receive()

    def _refresh(self) -> bool:
        state = self._courier.weights()
        if state is not None:
            self._actor.load_state_dict(state)
        return state is not None

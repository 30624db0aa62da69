"""What the operator of the graph says beside driving, for whoever learns there."""

import threading

from std_msgs.msg import Header

from robot_rl.interventions.device import EVENTS, Event, Moment, Reading, TeleopDevice
from robot_rl_nodes import graph
from robot_rl_nodes.own_node import OwnNode


class OperatorEar(TeleopDevice):
    """`human.device=graph`: the teleop node drives, through safety; its words come here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: set[Event] = set()
        self._own: OwnNode | None = None

    def start(self) -> None:
        self._own = OwnNode("operator_ear")
        self._own.node.create_subscription(Header, graph.TELEOP_SAID, self._hear, graph.STATE)
        self._own.start()

    def read(self, moment: Moment) -> Reading:
        with self._lock:
            said, self._said = frozenset(self._said), set()
        return Reading(events=said)

    def begin_episode(self) -> None:
        self.drop_events()

    def drop_events(self) -> None:
        with self._lock:
            self._said &= {"stop"}

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None

    def _hear(self, message: Header) -> None:
        with self._lock:
            self._said |= {event for event in EVENTS if event == message.frame_id}

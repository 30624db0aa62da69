"""What became of the policy's last action, as the safety node tells it."""

from collections import deque

from diagnostic_msgs.msg import DiagnosticArray

from hardware.ros_messages import to_seconds
from robot_rl.axes import Vector
from robot_rl.deploy.actions import ActionMap
from robot_rl.deploy.runtime import Applied
from robot_rl.deploy.supervisor import NOBODY, POLICY

_KEPT = 64


class AppliedActions:
    """Filled with the verdicts of `/safety/step`; asked for the time between two observations."""

    def __init__(self, mapping: ActionMap) -> None:
        self._map = mapping
        self._told: deque[tuple[float, Applied, str]] = deque(maxlen=_KEPT)

    def hear(self, message: DiagnosticArray) -> None:
        (status,) = message.status
        values = {item.key: item.value for item in status.values}
        command, position = (
            tuple(map(float, values[key].split())) for key in ("applied", "position")
        )
        action = self._map.action(command, position)
        applied = Applied(action=action, own=status.message == POLICY)
        self._told.append((to_seconds(message.header.stamp), applied, status.message))

    def within(self, from_s: float, to_s: float, position: Vector) -> Applied:
        """What was applied last in [`from_s`, `to_s`); where nothing was, the arm was held."""
        return self.by_whom(from_s, to_s, position)[0]

    def by_whom(self, from_s: float, to_s: float, position: Vector) -> tuple[Applied, str]:
        """The same, and whose it was: the policy's, a human's, nobody's."""
        for told_s, applied, source in reversed(self._told.copy()):
            if from_s <= told_s < to_s:
                return applied, source
        return Applied(action=self._map.hold(position), own=False), NOBODY

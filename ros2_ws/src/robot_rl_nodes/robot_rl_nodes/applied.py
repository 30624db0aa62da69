"""What became of the policy's last action, as the safety node tells it."""

from collections import deque

from diagnostic_msgs.msg import DiagnosticArray

from hardware.ros_messages import to_seconds
from robot_rl.deploy.actions import ActionMap
from robot_rl.deploy.runtime import Applied
from robot_rl.deploy.supervisor import POLICY

_KEPT = 64


class AppliedActions:
    """Filled with the verdicts of `/safety/step`; asked with the stamp of an observation."""

    def __init__(self, mapping: ActionMap) -> None:
        self._map = mapping
        self._told: deque[tuple[float, Applied]] = deque(maxlen=_KEPT)

    def hear(self, message: DiagnosticArray) -> None:
        (status,) = message.status
        values = {item.key: item.value for item in status.values}
        command, position = (
            tuple(map(float, values[key].split())) for key in ("applied", "position")
        )
        action = self._map.action(command, position)
        applied = Applied(action=action, own=status.message == POLICY)
        self._told.append((to_seconds(message.header.stamp), applied))

    def before(self, stamp_s: float) -> Applied | None:
        """What was applied last until `stamp_s`; None where nothing was, ever."""
        told = (applied for at_s, applied in reversed(self._told.copy()) if at_s <= stamp_s)
        return next(told, None)

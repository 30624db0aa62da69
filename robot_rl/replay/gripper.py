"""Which commands change what a gripper was told to do: HIL-SERL pays for those, and only those."""

import numpy as np

from robot_rl.axes import GRIPPER, GRIPPER_DEADBAND
from robot_rl.types import Interface


class GripperCommands:
    """Follows the commands of each lane; an episode begins with an open gripper."""

    def __init__(self, interface: Interface, lanes: int) -> None:
        names = [field.name for field in interface.actions]
        self._place = names.index(GRIPPER) if GRIPPER in names else None
        opens = 0.0 if self._place is None else np.sign(interface.actions[self._place].scale)
        self._opens = float(opens)
        self._told = np.full(lanes, self._opens)  # the sign of the last command, by lane

    def begin(self, lane: int) -> None:
        self._told[lane] = self._opens

    def changes(self, lane: int, action: np.ndarray) -> bool:
        """Whether `action` [A] tells it otherwise than before. Holding on to a cube does not."""
        if self._place is None or abs(action[self._place]) <= GRIPPER_DEADBAND:
            return False
        before, self._told[lane] = self._told[lane], np.sign(action[self._place])
        return bool(before != self._told[lane])

"""Between a policy's actions in [-1, 1] and velocities of the arm's axes in SI units."""

from collections.abc import Sequence

import numpy as np

from robot_rl.errors import InterfaceMismatchError
from robot_rl.types import Interface

AXES = ("x", "y", "z", "gripper")
_FIELDS = {"tcp_dx": "x", "tcp_dy": "y", "tcp_dz": "z", "gripper": "gripper"}


class ActionMap:
    """An action of 1 displaces its axis by `scale` metres within one control period."""

    def __init__(self, interface: Interface) -> None:
        unknown = [f.name for f in interface.actions if f.name not in _FIELDS or f.unit != "m"]
        if unknown:
            raise InterfaceMismatchError(
                f"the policy for {interface.task} acts on {', '.join(unknown)}; an arm here takes "
                f"displacements in m named {', '.join(_FIELDS)}."
            )
        self._places = [AXES.index(_FIELDS[field.name]) for field in interface.actions]
        self._gain = [field.scale * interface.control_rate_hz for field in interface.actions]

    @property
    def bound(self) -> tuple[float, ...]:
        """Velocity of an action of 1 on each of `AXES`; 0 where the policy has no action."""
        bound = [0.0] * len(AXES)
        for place, gain in zip(self._places, self._gain, strict=True):
            bound[place] = abs(gain)
        return tuple(bound)

    def velocity(self, action: Sequence[float] | np.ndarray) -> tuple[float, ...]:
        """[A] in [-1, 1] -> velocities of `AXES` in m/s."""
        velocity = [0.0] * len(AXES)
        for place, gain, value in zip(self._places, self._gain, action, strict=True):
            velocity[place] = gain * float(value)
        return tuple(velocity)

    def action(self, velocity: Sequence[float]) -> np.ndarray:
        """The float32 action [A] that commands these velocities."""
        pairs = zip(self._places, self._gain, strict=True)
        return np.array([velocity[place] / gain for place, gain in pairs], np.float32)

"""Between a policy's actions in [-1, 1] and commands to the axes that an arm offers."""

from collections.abc import Iterable, Sequence

import numpy as np

from robot_rl.axes import Axis, Vector, hold_command
from robot_rl.errors import InterfaceMismatchError
from robot_rl.types import ActionField, Interface


class ActionMap:
    """Actions of `interface` as commands, one number for each of `axes` (rate or level), and back.

    An axis that the policy does not act on is held. Raises `InterfaceMismatchError` where the
    policy acts on what the arm does not offer.
    """

    def __init__(self, interface: Interface, axes: Sequence[Axis]) -> None:
        places = {(axis.name, axis.unit): place for place, axis in enumerate(axes)}
        wanted = [(field.name, field.unit) for field in interface.actions]
        if not set(wanted) <= set(places):
            raise InterfaceMismatchError(
                f"the policy for {interface.task} acts on {_listed(wanted)}; the arm offers "
                f"{_listed(places)}."
            )
        self._axes, self._fields = tuple(axes), interface.actions
        self._places = [places[pair] for pair in wanted]
        self._period_s = 1.0 / interface.control_rate_hz

    def command(self, action: Sequence[float] | np.ndarray, position: Sequence[float]) -> Vector:
        """[A] in [-1, 1] -> the command, where the axes were measured at `position`."""
        command = list(hold_command(self._axes, position))
        for place, field, value in zip(self._places, self._fields, action, strict=True):
            step = self._step(field, float(value), position[place])
            by_rate = self._axes[place].by == "rate"
            command[place] = step / self._period_s if by_rate else position[place] + step
        return tuple(command)

    def action(self, command: Sequence[float], position: Sequence[float]) -> np.ndarray:
        """The float32 action [A] that gives this command there."""
        values = []
        for place, field in zip(self._places, self._fields, strict=True):
            by_rate = self._axes[place].by == "rate"
            at, told = position[place], command[place]
            values.append(self._value(field, told * self._period_s if by_rate else told - at, at))
        return np.array(values, np.float32)

    def hold(self, position: Sequence[float]) -> np.ndarray:
        """The float32 action [A] that comes to no command at all there."""
        return self.action(hold_command(self._axes, position), position)

    def _step(self, field: ActionField, value: float, at: float) -> float:
        """How far `value` moves the axis from `at` within one control period."""
        if field.kind == "position":
            return field.offset + field.scale * value - at
        return field.scale * value * (self._period_s if field.kind == "velocity" else 1.0)

    def _value(self, field: ActionField, step: float, at: float) -> float:
        if field.kind == "position":
            return (at + step - field.offset) / field.scale
        return step / field.scale / (self._period_s if field.kind == "velocity" else 1.0)


def _listed(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} [{unit}]" for name, unit in pairs) or "nothing"

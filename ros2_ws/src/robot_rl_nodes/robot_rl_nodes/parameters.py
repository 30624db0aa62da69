"""Parameters declared with descriptions and ranges; a value outside is one clear line."""

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from robot_rl.errors import ConfigError


class Parameters:
    """Declares and reads the parameters of `node`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def number(self, name: str, default: float, what: str, low: float, high: float) -> float:
        span = FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
        allowed = f"a number in [{low:g}, {high:g}]"
        return float(
            self._declare(name, float(default), what, allowed, floating_point_range=[span])
        )

    def count(self, name: str, default: int, what: str, low: int, high: int) -> int:
        span = IntegerRange(from_value=low, to_value=high, step=1)
        allowed = f"a whole number in [{low}, {high}]"
        return int(self._declare(name, default, what, allowed, integer_range=[span]))

    def text(self, name: str, default: str, what: str, choices: tuple[str, ...] = ()) -> str:
        allowed = f"one of {', '.join(choices)}" if choices else "a text"
        value = str(self._declare(name, default, what, allowed, additional_constraints=allowed))
        if choices and value not in choices:
            raise ConfigError(f"parameter {name} is '{value}'; choose {allowed}.")
        return value

    def flag(self, name: str, default: bool, what: str) -> bool:
        return bool(self._declare(name, default, what, "true or false"))

    def texts(self, name: str, default: list[str], what: str) -> list[str]:
        """Empty texts are dropped: ROS cannot pass an empty list."""
        found = self._declare(name, default or [""], what, "a list of texts")
        return [text for text in found if text]

    def _declare(self, name: str, default: Any, what: str, allowed: str, **limits: Any) -> Any:
        descriptor = ParameterDescriptor(description=what, read_only=True, **limits)
        try:
            return self._node.declare_parameter(name, default, descriptor).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise ConfigError(
                f"parameter {name} of {self._node.get_name()} must be {allowed} ({what}); {error}"
            ) from error

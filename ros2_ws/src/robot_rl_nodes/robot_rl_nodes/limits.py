"""Safety limits from a node's parameters, for whatever axes the arm has."""

from typing import Any

from hardware.announced import RobotFeatures
from robot_rl.deploy.limits import SafetyLimits
from robot_rl.errors import ConfigError
from robot_rl_nodes.parameters import Parameters

_LISTS = {
    "position_low": "low edge, in the axis' unit",
    "position_high": "high edge",
    "action_bound": "rate of an action of 1, unit/s",
    "max_step": "largest displacement in a control period",
    "max_velocity": "largest rate, unit/s",
    "max_acceleration": "largest speeding up, unit/s^2",
}
# Of the simulated arm, in the order of _LISTS; any other axis must be given its limits.
_DEFAULTS = {
    "tcp_x": (0.2, 0.6, 0.3, 0.03, 0.3, 6.0),
    "tcp_y": (-0.3, 0.3, 0.3, 0.03, 0.3, 6.0),
    "tcp_z": (0.0, 0.4, 0.3, 0.03, 0.3, 6.0),
    "gripper": (-0.01, 0.05, 0.3, 0.03, 0.3, 6.0),
}


class LimitParameters:
    """Limits as lists over the parameter `axes`; the arm's own axes pick theirs from them."""

    def __init__(self, parameters: Parameters) -> None:
        p = parameters
        self._names = p.texts("axes", [*_DEFAULTS], "axes that the lists of limits are about")
        columns = zip(*(_DEFAULTS.get(name, (0.0,) * 6) for name in self._names), strict=True)
        self._lists = {
            name: p.numbers(name, list(default), f"{what}, for each of axes", len(self._names))
            for (name, what), default in zip(_LISTS.items(), columns, strict=True)
        }
        low = p.texts("joint_low_rad", [], "lower joint limits, rad")
        high = p.texts("joint_high_rad", [], "upper joint limits, rad")
        self._others: dict[str, Any] = {
            "joint_low_rad": tuple(map(float, low)),
            "joint_high_rad": tuple(map(float, high)),
            "joint_margin_rad": p.number("joint_margin_rad", 0.05, "kept to them, rad", 0, 1),
            "max_force_n": p.number("max_force_n", 50.0, "at the tool that stops, N", 0.1, 1e4),
            "max_command_age_s": p.number("max_command_age_s", 0.15, "older ones hold", 0.02, 1),
            "max_state_age_s": p.number("max_state_age_s", 0.15, "older ones stop", 0.02, 1),
        }

    def of(self, robot: RobotFeatures) -> SafetyLimits:
        """Raises `ConfigError` where an axis of the arm has no limits."""
        axes = robot.arm.axes
        missing = [axis.name for axis in axes if axis.name not in self._names]
        if missing:
            raise ConfigError(
                f"the arm {robot.arm.name} moves {', '.join(missing)}, and no limits say how far "
                f"and how fast: parameter axes names {', '.join(self._names)}."
            )
        places = [self._names.index(axis.name) for axis in axes]
        lists = {name: tuple(found[i] for i in places) for name, found in self._lists.items()}
        return SafetyLimits(axes=axes, period_s=robot.period_s, **lists, **self._others)

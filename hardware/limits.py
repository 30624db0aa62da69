"""Safety limits as a robot's file states them, for the axes that its arm really has."""

from pathlib import Path
from typing import Any

from hardware.arm import ArmFeatures
from robot_rl.config.files import option_files
from robot_rl.config.schema import from_tree
from robot_rl.deploy.limits import SafetyLimits
from robot_rl.envs.robot import SafetyConfig
from robot_rl.errors import ConfigError, UnknownNameError

_SAFETY = "robot.safety"


def read_safety(robot: str) -> SafetyConfig:
    """`robot.safety` of `configs/robot/NAME.yaml`; `robot` is its name, or the path of a file.

    Raises `UnknownNameError` for a name that no file has, `ConfigError` for a file without limits.
    """
    files = option_files("robot")
    path = Path(robot) if robot.endswith(".yaml") else files.get(robot)
    if path is None:
        raise UnknownNameError("robot", robot, files)
    return from_tree(SafetyConfig, _safety_tree(path), _SAFETY)


def safety_limits(
    config: SafetyConfig, features: ArmFeatures, period_s: float, **ages_s: float
) -> SafetyLimits:
    """Raises `ConfigError` for an axis of the arm that has no limits."""
    names = [axis.name for axis in features.axes]
    missing = [name for name in names if name not in config.axes]
    if missing:
        raise ConfigError(
            f"the axes {', '.join(missing)} of the arm {features.name} have no limits. Measure "
            "them, and write robot.safety.axes.NAME: {low, high, max_velocity, max_acceleration}."
        )
    axes = [config.axes[name] for name in names]
    velocity = tuple(axis.max_velocity for axis in axes)
    guarded = config.joint_margin_rad is not None
    return SafetyLimits(
        axes=features.axes,
        position_low=tuple(axis.low for axis in axes),
        position_high=tuple(axis.high for axis in axes),
        action_bound=velocity,
        max_step=tuple(v * period_s for v in velocity),
        max_velocity=velocity,
        max_acceleration=tuple(axis.max_acceleration for axis in axes),
        period_s=period_s,
        joint_low_rad=features.joint_low_rad if guarded else (),
        joint_high_rad=features.joint_high_rad if guarded else (),
        joint_margin_rad=config.joint_margin_rad or 0.0,
        max_force_n=config.max_force_n,
        **ages_s,
    )


def _safety_tree(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text())["robot"]["safety"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} states no {_SAFETY} ({type(error).__name__}: {error}). Write one as "
            "configs/robot/sim_arm.yaml does."
        ) from error

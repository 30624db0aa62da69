"""A robot as data: what it is driven by, what it may do, and who says that it succeeded.

A file `configs/robot/NAME.yaml` holds one; `robot=NAME` on the command line chooses it.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from robot_rl.errors import ConfigError
from robot_rl.types import ActionField, ProprioField


@dataclass(frozen=True, kw_only=True)
class DriverConfig:
    """A driver's name (`robot-rl list arms`), or `package.module:Class`, and its settings."""

    driver: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RobotCamera(DriverConfig):
    """The camera behind one of `task.cameras`; the driver `arm` takes it from the arm.

    `crop` (top, left, height, width) in pixels of the driver's frame, all of it if empty, is
    resized to the frame that the task's camera is made of. `rate_hz` 0 takes the driver's word.
    `calibration` names a file of `robot-rl calibrate`: frames are straightened before they are cut.
    """

    calibration: str = ""
    crop: tuple[int, ...] = ()
    rate_hz: float = 0.0


@dataclass(frozen=True, kw_only=True)
class AxisLimits:
    """Of one axis, in its unit: where it may be, how fast it may move and speed up."""

    low: float
    high: float
    max_velocity: float
    max_acceleration: float


@dataclass(frozen=True, kw_only=True)
class SafetyConfig:
    """Limits of every axis that the arm offers, by name; others are ignored.

    A joint within `joint_margin_rad` of the driver's limits stops the robot; None guards no joint.
    `watchdog_s` after the last command the arm is stopped by its guard.
    """

    axes: dict[str, AxisLimits] = field(default_factory=dict)
    joint_margin_rad: float | None = 0.05
    max_force_n: float = 50.0
    watchdog_s: float = 0.2


@dataclass(frozen=True, kw_only=True)
class RobotConfig:
    """No arm: the simulation of `task`.

    `actions`, `proprio`, `control_rate_hz` and `episode_s` that are left out are those of the
    simulated task of the same name, so that what was learned there runs here.
    A driver that has a scene of its own (a simulated one) resets it and may judge it; other arms
    are moved to `home`, positions by axis, before every episode; with `reset=person` that begins
    when the operator says so.
    """

    arm: DriverConfig = field(default_factory=DriverConfig)
    cameras: dict[str, RobotCamera] = field(default_factory=dict)
    safety: SafetyConfig = field(default_factory=SafetyConfig)
    actions: tuple[ActionField, ...] = ()
    proprio: tuple[ProprioField, ...] = ()
    control_rate_hz: float = 0.0
    episode_s: float = 0.0
    # person: the operator's keys; reward_model: the one of reward=; driver: the arm's own.
    success: Literal["person", "reward_model", "driver"] = "person"
    home: dict[str, float] = field(default_factory=dict)
    reset: Literal["home", "person"] = "home"

    @property
    def present(self) -> bool:
        return bool(self.arm.driver)

    def __post_init__(self) -> None:
        if self.control_rate_hz < 0 or self.episode_s < 0:
            raise ConfigError("robot.control_rate_hz and robot.episode_s are not below 0.")
        if not self.present and self.cameras:
            raise ConfigError("the robot has cameras and no arm. Set robot.arm.driver.")

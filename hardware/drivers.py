"""Arms and cameras by name: the project's own, those that packages add, and any class by path."""

import json
from collections.abc import Mapping
from typing import Any

from robot_rl.errors import ConfigError
from robot_rl.plugins import Plugins, attribute

# An entry point names a class, or a function, that returns an `hardware.arm.Arm`.
ARMS = Plugins(
    "arm",
    "robot_rl.arms",
    {
        "sim": "hardware.sim_driver:open_arm",
        "so101": "hardware.arms.so101:SO101",
        "ros2_control": "robot_rl_nodes.ros2_control:Ros2ControlArm",
        "ur": "hardware.arms.ur:UniversalRobot",
        "xarm": "hardware.arms.xarm:XArm",
        "so101_leader": "hardware.arms.so101:open_leader",
    },
)
# The same for an `hardware.camera.Camera`.
CAMERAS = Plugins(
    "camera",
    "robot_rl.cameras",
    {
        "opencv": "hardware.cameras.opencv:OpenCVCamera",
        "realsense": "hardware.cameras.realsense:RealSenseCamera",
        "topic": "robot_rl_nodes.topic_camera:OwnTopicCamera",
    },
)


def load_driver(kind: Plugins, driver: str, settings: Mapping[str, Any]) -> Any:
    """The driver of this name, or the class `package.module:Class`, made with `settings`.

    Raises `UnknownNameError` for a name that is not on offer, `ConfigError` where the driver cannot
    be imported or does not take the settings.
    """
    try:
        make = attribute(driver) if ":" in driver else kind.load(driver, ["package.module:Class"])
        return make(**settings)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the {kind.kind} driver '{driver}' cannot be made ({error}). Write a name of "
            f"`robot-rl list {kind.kind}s` or package.module:Class, and the settings that it takes."
        ) from error


def settings_of(text: str) -> dict[str, Any]:
    """Keyword arguments out of a JSON object. Raises `ConfigError` for anything else."""
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f'driver_settings are no JSON object ({error}), such as {{"address": "10.0.0.2"}}.'
        ) from error

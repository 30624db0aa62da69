"""One real arm with one camera: camera, arm, policy, safety. Measure its limits first."""

from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription
from robot_rl_bringup.describe import arguments, camera, network, node, value

ARGUMENTS = {
    "policy": "policy folder that training wrote",
    "engine": "of the policy: torch, or onnx where it was exported with --onnx",
    "driver": "arm driver, package.module:Class",
    "driver_settings": "JSON for the driver's class",
    "robot": "whose safety limits hold: NAME of configs/robot/, or a file",
    "camera": "device number, stream or file",
    "image_size": "frames, px",
    "rate_hz": "frames per second of the camera",
    "camera_name": "the policy's name of the camera",
}
DEFAULTS = {
    "engine": "torch",
    "driver_settings": "{}",
    "camera": "0",
    "image_size": "64",
    "rate_hz": "30.0",
    "camera_name": "front",
}


def generate_launch_description():
    policy = {
        "policy": value("policy"),
        "engine": value("engine"),
        "cameras": [[LaunchConfiguration("camera_name"), "=/camera"]],
    }
    safety = {"robot": value("robot"), "cameras": ["/camera"]}
    arm = {"driver": value("driver"), "driver_settings": value("driver_settings")}
    return LaunchDescription(
        [
            *arguments(ARGUMENTS, **DEFAULTS),
            *network(),
            camera("/camera", value("camera"), driver="opencv", rate_hz=value("rate_hz", float)),
            node("arm_node", arm),
            node("safety_node", safety),
            node("policy_node", policy),
        ]
    )

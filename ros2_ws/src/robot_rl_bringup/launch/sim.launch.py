"""A simulated robot with the topics of a real one: sim_robot, cameras, policy, safety, recorder."""

from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription
from robot_rl_bringup.describe import arguments, camera, network, node, texts, value

CAMERAS = {"front": "/camera", "wrist": "/wrist_camera"}
ARGUMENTS = {
    "policy": "policy folder that training wrote",
    "task": "simulated task; that of the policy unless you name one",
    "task_options": "of the named task, a JSON object",
    "arm": "that plays the named task: robot-rl list sim_arms",
    "engine": "of the policy: torch, or onnx where it was exported with --onnx",
    "image_size": "frames, px",
    "autostart": "activate the policy at the start",
    "teleop": "also the web page for an operator",
    "record": "folder of the episodes",
}
DEFAULTS = {
    "task": "",
    "task_options": "{}",
    "arm": "primitive",
    "engine": "torch",
    "image_size": "64",
    "autostart": "true",
    "teleop": "false",
    "record": "recordings",
}


def generate_launch_description():
    namespaces = list(CAMERAS.values())
    folder = {"policy": value("policy")}
    robot = {
        "task": value("task"),
        "task_options": value("task_options"),
        "arm": value("arm"),
        "image_size": value("image_size", int),
        "cameras": [*CAMERAS],
    }
    policy = {
        "engine": value("engine"),
        "autostart": value("autostart", bool),
        "cameras": texts(CAMERAS),
    }
    sensors = [
        camera(namespace, f"/sim/{name}/image_raw", driver="topic", rate_hz=10.0)
        for name, namespace in CAMERAS.items()
    ]
    return LaunchDescription(
        [
            *arguments(ARGUMENTS, **DEFAULTS),
            *network(),
            node("sim_robot_node", folder, robot),
            *sensors,
            node("safety_node", {"robot": "sim_arm", "cameras": namespaces}),
            node("policy_node", folder, policy),
            node("recorder_node", {"root": value("record"), "cameras": namespaces}),
            node(
                "teleop_node",
                {"device": "web", "camera": "/camera"},
                condition=IfCondition(LaunchConfiguration("teleop")),
            ),
        ]
    )

"""A simulated robot that waits for whoever learns: sim_robot, cameras, safety, and an operator."""

from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription
from robot_rl_bringup.describe import arguments, camera, network, node, value

CAMERAS = {"front": "/camera", "wrist": "/wrist_camera"}
ARGUMENTS = {
    "task": "simulated task",
    "task_options": "of it, a JSON object",
    "arm": "that plays it: robot-rl list sim_arms",
    "image_size": "frames, px: task.source_size of the run, or its task.image_size",
    "teleop": "also the web page for an operator",
}
DEFAULTS = {
    "task": "arm/reach",
    "task_options": "{}",
    "arm": "primitive",
    "image_size": "64",
    "teleop": "false",
}


def generate_launch_description():
    robot = {
        "task": value("task"),
        "task_options": value("task_options"),
        "arm": value("arm"),
        "image_size": value("image_size", int),
        "cameras": [*CAMERAS],
        "scene": True,
    }
    return LaunchDescription(
        [
            *arguments(ARGUMENTS, **DEFAULTS),
            *network(),
            node("sim_robot_node", robot),
            *[
                camera(namespace, f"/sim/{name}/image_raw", driver="topic", rate_hz=10.0)
                for name, namespace in CAMERAS.items()
            ],
            node("safety_node", {"robot": "sim_arm", "cameras": [*CAMERAS.values()]}),
            node(
                "teleop_node",
                {"device": "web", "camera": "/camera"},
                condition=IfCondition(LaunchConfiguration("teleop")),
            ),
        ]
    )

"""The simulated robot of `sim.launch.py` and `train.launch.py`, with the topics of a real one."""

from typing import Any

from launch.conditions import IfCondition  # type: ignore
from launch.substitutions import LaunchConfiguration  # type: ignore

from robot_rl_bringup.describe import camera, node, value

CAMERAS = {"front": "/camera", "wrist": "/wrist_camera"}
ARGUMENTS = {
    "task": "simulated task",
    "task_options": "of the named task, a JSON object",
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


def simulated_robot(*parameters: dict[str, Any]) -> list[Any]:
    """Arm, cameras, safety, and an operator who is asked for; `parameters` are the arm's."""
    robot = {
        "task": value("task"),
        "task_options": value("task_options"),
        "arm": value("arm"),
        "image_size": value("image_size", int),
        "cameras": [*CAMERAS],
    }
    return [
        node("sim_robot_node", robot, *parameters),
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

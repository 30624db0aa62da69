"""The recorder for a running graph: /episode/start and /episode/stop bound an episode."""

from launch.actions import DeclareLaunchArgument

from launch import LaunchDescription
from robot_rl_bringup.describe import arguments, network, node, value

ARGUMENTS = {"root": "folder of the episodes", "note": "kept with every episode"}


def generate_launch_description():
    images = DeclareLaunchArgument(
        "images",
        default_value="raw",
        choices=["raw", "compressed"],
        description="which images are kept",
    )
    recorder = {
        "root": value("root"),
        "images": value("images"),
        "note": value("note"),
        "cameras": ["/camera"],
    }
    return LaunchDescription(
        [
            images,
            *arguments(ARGUMENTS, root="recordings", note=""),
            *network(),
            node("recorder_node", recorder),
        ]
    )

"""The recorder for a running graph: /episode/start and /episode/stop bound an episode."""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription


def generate_launch_description():
    def as_text(name):
        return ParameterValue(LaunchConfiguration(name), value_type=str)

    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "root", default_value="recordings", description="folder of the episodes"
            ),
            DeclareLaunchArgument(
                "images",
                default_value="raw",
                choices=["raw", "compressed"],
                description="which images are kept",
            ),
            DeclareLaunchArgument("note", default_value="", description="kept with every episode"),
            DeclareLaunchArgument(
                "network", default_value="false", description="let other machines reach the node"
            ),
            SetEnvironmentVariable("ROBOT_RL_NETWORK", LaunchConfiguration("network")),
            Node(
                package="robot_rl_nodes",
                executable="recorder_node",
                parameters=[
                    {
                        "root": as_text("root"),
                        "images": LaunchConfiguration("images"),
                        "note": as_text("note"),
                        "cameras": ["/camera"],
                    }
                ],
            ),
        ]
    )

"""An operator for a running graph: web page, keyboard or a joystick's /joy."""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "device",
                default_value="web",
                choices=["web", "joy", "keyboard"],
                description="what the operator holds",
            ),
            DeclareLaunchArgument("port", default_value="8090", description="of the web page"),
            DeclareLaunchArgument(
                "camera", default_value="/camera", description="namespace of the image shown"
            ),
            DeclareLaunchArgument(
                "network", default_value="false", description="let other machines reach the node"
            ),
            SetEnvironmentVariable("ROBOT_RL_NETWORK", LaunchConfiguration("network")),
            Node(
                package="robot_rl_nodes",
                executable="teleop_node",
                parameters=[
                    {
                        "device": LaunchConfiguration("device"),
                        "port": ParameterValue(LaunchConfiguration("port"), value_type=int),
                        "camera": LaunchConfiguration("camera"),
                    }
                ],
            ),
        ]
    )

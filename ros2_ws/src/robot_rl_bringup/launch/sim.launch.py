"""A simulated robot with the topics of a real one: sim_robot, cameras, policy, safety, recorder."""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

CAMERAS = {"front": "/camera", "wrist": "/wrist_camera"}


def generate_launch_description():
    config = PathJoinSubstitution([FindPackageShare("robot_rl_bringup"), "config"])
    size = ParameterValue(LaunchConfiguration("image_size"), value_type=int)
    namespaces = list(CAMERAS.values())
    cameras = [
        Node(
            package="robot_rl_nodes",
            executable="camera_node",
            namespace=namespace,
            parameters=[
                {
                    "driver": "topic",
                    "source": f"/sim/{name}/image_raw",
                    "width": size,
                    "height": size,
                    "rate_hz": 10.0,
                }
            ],
        )
        for name, namespace in CAMERAS.items()
    ]
    return LaunchDescription(
        [
            DeclareLaunchArgument("policy", description="policy folder that training wrote"),
            DeclareLaunchArgument("task", default_value="arm/reach", description="simulated task"),
            DeclareLaunchArgument("image_size", default_value="64", description="frames, px"),
            DeclareLaunchArgument(
                "autostart", default_value="true", description="activate the policy at the start"
            ),
            DeclareLaunchArgument(
                "teleop", default_value="false", description="also the web page for an operator"
            ),
            DeclareLaunchArgument(
                "record", default_value="recordings", description="folder of the episodes"
            ),
            DeclareLaunchArgument(
                "network", default_value="false", description="let other machines reach the nodes"
            ),
            SetEnvironmentVariable("ROBOT_RL_NETWORK", LaunchConfiguration("network")),
            Node(
                package="robot_rl_nodes",
                executable="sim_robot_node",
                parameters=[
                    {
                        "task": LaunchConfiguration("task"),
                        "image_size": size,
                        "cameras": list(CAMERAS),
                    }
                ],
            ),
            *cameras,
            Node(
                package="robot_rl_nodes",
                executable="safety_node",
                parameters=[
                    PathJoinSubstitution([config, "sim_arm.yaml"]),
                    {"cameras": namespaces},
                ],
            ),
            Node(
                package="robot_rl_nodes",
                executable="policy_node",
                parameters=[
                    {
                        "policy": ParameterValue(LaunchConfiguration("policy"), value_type=str),
                        "autostart": LaunchConfiguration("autostart"),
                        "cameras": [f"{name}={ns}" for name, ns in CAMERAS.items()],
                    }
                ],
            ),
            Node(
                package="robot_rl_nodes",
                executable="recorder_node",
                parameters=[
                    {
                        "root": ParameterValue(LaunchConfiguration("record"), value_type=str),
                        "cameras": namespaces,
                    }
                ],
            ),
            Node(
                package="robot_rl_nodes",
                executable="teleop_node",
                parameters=[{"device": "web", "camera": "/camera"}],
                condition=IfCondition(LaunchConfiguration("teleop")),
            ),
        ]
    )

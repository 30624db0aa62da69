"""One real arm with one camera: camera, arm, policy, safety. Edit config/ for your arm first."""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def generate_launch_description():
    config = PathJoinSubstitution([FindPackageShare("robot_rl_bringup"), "config"])
    size = ParameterValue(LaunchConfiguration("image_size"), value_type=int)

    def as_text(name):
        return ParameterValue(LaunchConfiguration(name), value_type=str)

    return LaunchDescription(
        [
            DeclareLaunchArgument("policy", description="policy folder that training wrote"),
            DeclareLaunchArgument("driver", description="arm driver, package.module:Class"),
            DeclareLaunchArgument(
                "driver_settings", default_value="{}", description="JSON for the driver's class"
            ),
            DeclareLaunchArgument(
                "limits",
                default_value=PathJoinSubstitution([config, "sim_arm.yaml"]),
                description="safety limits of this arm",
            ),
            DeclareLaunchArgument(
                "camera", default_value="0", description="device number, stream or file"
            ),
            DeclareLaunchArgument("image_size", default_value="64", description="frames, px"),
            DeclareLaunchArgument(
                "rate_hz", default_value="30.0", description="frames per second of the camera"
            ),
            DeclareLaunchArgument(
                "camera_name", default_value="front", description="the policy's name of the camera"
            ),
            DeclareLaunchArgument(
                "network", default_value="false", description="let other machines reach the nodes"
            ),
            SetEnvironmentVariable("ROBOT_RL_NETWORK", LaunchConfiguration("network")),
            Node(
                package="robot_rl_nodes",
                executable="camera_node",
                namespace="/camera",
                parameters=[
                    {
                        "driver": "opencv",
                        "source": as_text("camera"),
                        "width": size,
                        "height": size,
                        "rate_hz": ParameterValue(LaunchConfiguration("rate_hz"), value_type=float),
                    }
                ],
            ),
            Node(
                package="robot_rl_nodes",
                executable="arm_node",
                parameters=[
                    {"driver": as_text("driver"), "driver_settings": as_text("driver_settings")}
                ],
            ),
            Node(
                package="robot_rl_nodes",
                executable="safety_node",
                parameters=[LaunchConfiguration("limits"), {"cameras": ["/camera"]}],
            ),
            Node(
                package="robot_rl_nodes",
                executable="policy_node",
                parameters=[
                    {
                        "policy": as_text("policy"),
                        "cameras": [[LaunchConfiguration("camera_name"), "=/camera"]],
                    }
                ],
            ),
        ]
    )

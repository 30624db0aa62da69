"""An operator for a running graph: web page, keyboard or a joystick's /joy."""

from launch.actions import DeclareLaunchArgument

from launch import LaunchDescription
from robot_rl_bringup.describe import arguments, network, node, value

ARGUMENTS = {"port": "of the web page", "camera": "namespace of the image shown"}


def generate_launch_description():
    device = DeclareLaunchArgument(
        "device",
        default_value="web",
        choices=["web", "joy", "keyboard"],
        description="what the operator holds",
    )
    operator = {"device": value("device"), "port": value("port", int), "camera": value("camera")}
    return LaunchDescription(
        [
            device,
            *arguments(ARGUMENTS, port="8090", camera="/camera"),
            *network(),
            node("teleop_node", operator),
        ]
    )

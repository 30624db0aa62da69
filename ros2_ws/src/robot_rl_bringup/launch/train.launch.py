"""A simulated robot that waits for whoever learns: sim_robot, cameras, safety, and an operator."""

from launch import LaunchDescription
from robot_rl_bringup.describe import arguments, network
from robot_rl_bringup.simulated import ARGUMENTS, DEFAULTS, simulated_robot


def generate_launch_description():
    return LaunchDescription(
        [*arguments(ARGUMENTS, **DEFAULTS), *network(), *simulated_robot({"scene": True})]
    )

"""A simulated robot with the topics of a real one: sim_robot, cameras, policy, safety, recorder."""

from launch import LaunchDescription
from robot_rl_bringup.describe import arguments, network, node, texts, value
from robot_rl_bringup.simulated import ARGUMENTS, CAMERAS, DEFAULTS, simulated_robot

OWN_ARGUMENTS = {
    "policy": "policy folder that training wrote",
    "task": "simulated task; that of the policy unless you name one",
    "engine": "of the policy: torch, or onnx where it was exported with --onnx",
    "autostart": "activate the policy at the start",
    "record": "folder of the episodes",
}
OWN_DEFAULTS = {"task": "", "engine": "torch", "autostart": "true", "record": "recordings"}


def generate_launch_description():
    folder = {"policy": value("policy")}
    policy = {
        "engine": value("engine"),
        "autostart": value("autostart", bool),
        "cameras": texts(CAMERAS),
    }
    recorder = {"root": value("record"), "cameras": [*CAMERAS.values()]}
    return LaunchDescription(
        [
            *arguments(ARGUMENTS | OWN_ARGUMENTS, **(DEFAULTS | OWN_DEFAULTS)),
            *network(),
            *simulated_robot(folder),
            node("policy_node", folder, policy),
            node("recorder_node", recorder),
        ]
    )

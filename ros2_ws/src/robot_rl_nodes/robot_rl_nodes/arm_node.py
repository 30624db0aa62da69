"""Any arm on ROS 2: `driver` is `sim`, or `package.module:Class` of an `hardware.arm.Arm`."""

import json
import sys

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from hardware.arm import Arm
from hardware.drivers import load_driver
from hardware.sim import SimulatedArm, SimWorld
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import TaskConfig
from robot_rl.errors import ConfigError
from robot_rl_nodes import graph, urgency
from robot_rl_nodes.arm_server import ArmServer
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import run


class ArmNode(Node):
    """One arm and its diagnostics."""

    def __init__(self) -> None:
        super().__init__("arm_node")
        parameters = Parameters(self)
        driver = parameters.text("driver", "sim", "sim, or package.module:Class")
        settings = parameters.text("driver_settings", "{}", "JSON passed to the driver's class")
        self.server = ArmServer(self, make_arm(driver, settings), parameters)
        diagnostics = self.create_publisher(DiagnosticArray, graph.DIAGNOSTICS, graph.STATE)
        self.create_timer(1.0, lambda: diagnostics.publish(self.server.diagnostics()))

    def leave(self) -> None:
        self.server.leave()


def make_arm(driver: str, settings: str) -> Arm:
    """Raises `ConfigError` where the driver cannot be found or does not take the settings."""
    if driver != "sim":
        return load_driver(driver, settings)
    try:
        task = TaskConfig(cameras={"front": CameraSpec()}, **json.loads(settings))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"driver_settings of the simulated arm: {error}.") from error
    return SimulatedArm(SimWorld(task))


def main() -> None:
    sys.exit(run(ArmNode, urgency.BODY))


if __name__ == "__main__":
    main()

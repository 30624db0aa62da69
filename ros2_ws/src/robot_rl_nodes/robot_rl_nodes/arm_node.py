"""Any arm on ROS 2: `driver` is a name of `robot-rl list arms`, or `package.module:Class`."""

import sys

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from hardware.drivers import ARMS, load_driver, settings_of
from robot_rl.deploy import urgency
from robot_rl_nodes import graph
from robot_rl_nodes.arm_server import ArmServer
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import run


class ArmNode(Node):
    """One arm and its diagnostics."""

    def __init__(self) -> None:
        super().__init__("arm_node")
        parameters = Parameters(self)
        driver = parameters.text("driver", "sim", "an arm's name, or package.module:Class")
        settings = parameters.text("driver_settings", "{}", "JSON passed to the driver's class")
        arm = load_driver(ARMS, driver, settings_of(settings))
        self.server = ArmServer(self, arm, parameters)
        diagnostics = self.create_publisher(DiagnosticArray, graph.DIAGNOSTICS, graph.STATE)
        self.create_timer(1.0, lambda: diagnostics.publish(self.server.diagnostics()))

    def leave(self) -> None:
        self.server.leave()


def main() -> None:
    sys.exit(run(ArmNode, urgency.BODY))


if __name__ == "__main__":
    main()

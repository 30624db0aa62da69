"""A task of the arm suite as a robot: sensor and arm topics of a real one, and faults on demand."""

import dataclasses
import json
import sys
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from hardware.camera import CameraFeatures
from hardware.sim import SimulatedArm, SimWorld, Snapshot
from robot_rl.deploy import urgency
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import DEFAULT_ARM, TaskConfig
from robot_rl.errors import ConfigError
from robot_rl_nodes import graph
from robot_rl_nodes.arm_server import ArmServer
from robot_rl_nodes.messages import ImageMessage, scene_to_json
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import run

FAULTS = ("none", "freeze_camera", "blank_camera", "stop_camera", "jump_clock", "stall_executor")
_JUMP_S = 3.0
_STALL_S = 1.0


class SimRobotNode(Node):
    """Sends `/sim/<camera>/image_raw` as a camera's driver would, and serves the arm.

    Set the parameter `seed` and call `/sim/reset` for the episode of that seed; set `fault` and
    call `/sim/fault` for a fault. `/sim/success` tells the task's own success test.
    """

    def __init__(self) -> None:
        super().__init__("sim_robot_node")
        parameters = Parameters(self)
        policy = parameters.text("policy", "", "policy folder whose task it plays")
        task = parameters.text("task", "", "a task of the arm suite; default the policy's")
        options = parameters.text("task_options", "{}", "of the named task, a JSON object")
        arm = parameters.text("arm", DEFAULT_ARM, "who plays the named task")
        size = parameters.count("image_size", 64, "height and width of the frames, px", 16, 1024)
        names = parameters.texts("cameras", ["front"], "cameras of the task")
        # Without noise two frames can be equal, which no real sensor's are: see camera_watch.
        noise = parameters.number("noise_std", 1.0, "sensor noise, grey levels", 0.0, 50.0)
        self.declare_parameter("seed", 0)
        self.declare_parameter("fault", "none")
        self.add_on_set_parameters_callback(self._check)
        cameras = {name: CameraSpec(noise_std=noise) for name in names}
        played = played_task(task, options, policy, arm)
        played = dataclasses.replace(played, cameras=cameras, image_size=size, source_size=0)
        self._world = SimWorld(played)
        self._world.start()
        self._fault = "none"
        self._frozen: dict[str, object] = {}
        rate_hz = self._world.interface.control_rate_hz
        self._images, self._cameras = {}, {}
        for field in self._world.interface.cameras:
            features = CameraFeatures(
                name=field.name, height=field.height, width=field.width, rate_hz=rate_hz
            )
            self._images[field.name] = ImageMessage(features)
            self._cameras[field.name] = self.create_publisher(
                Image, f"/sim/{field.name}/image_raw", graph.IMAGE_OUT
            )
        self._success = self.create_publisher(Bool, graph.SIM_SUCCESS, graph.LATCHED)
        told = parameters.flag(
            "scene", False, "tell what the simulation knows, for simulated humans"
        )
        self._scene = (
            self.create_publisher(String, graph.SIM_SCENE, graph.LATCHED) if told else None
        )
        self.create_service(Trigger, graph.SIM_RESET, self._reset)
        self.create_service(Trigger, graph.SIM_FAULT, self._inject)
        self.server = ArmServer(self, SimulatedArm(self._world), parameters, rate_hz)
        diagnostics = self.create_publisher(DiagnosticArray, graph.DIAGNOSTICS, graph.STATE)
        self.create_timer(1.0, lambda: diagnostics.publish(self.server.diagnostics()))
        self._world.on_tick = self._show

    def leave(self) -> None:
        self.server.leave()

    def _show(self, snapshot: Snapshot) -> None:
        """On the world's thread: state first, so that it is there when the frames arrive."""
        self.server.publish_state(snapshot.state)
        self._success.publish(Bool(data=snapshot.success))
        if self._scene is not None:
            with self._world.lock:
                scene = self._world.simulation.scene()
            self._scene.publish(String(data=scene_to_json(scene)))
        if self._fault == "stop_camera":
            return
        stamp_s = snapshot.stamp_s + _JUMP_S * (self._fault == "jump_clock")
        for name, image in snapshot.images.items():
            if self._fault == "freeze_camera":
                image = self._frozen.setdefault(name, image)
            shown = self._images[name].fill(image, stamp_s)  # type: ignore[arg-type]
            if self._fault == "blank_camera":
                shown = self._images[name].fill(image * 0, stamp_s)  # type: ignore[operator]
            self._cameras[name].publish(shown)

    def _check(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            if change.name == "fault" and change.value not in FAULTS:
                reason = f"fault '{change.value}' is unknown; choose one of {', '.join(FAULTS)}"
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        seed = self.get_parameter("seed").value
        self.server.guarded.command(None, 0.1)
        self._world.reset(int(seed or 0))
        response.success, response.message = True, f"seed {seed}"
        return response

    def _inject(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._frozen.clear()
        self._fault, began_s = str(self.get_parameter("fault").value), time.time()
        response.success, response.message = True, f"{self._fault} at {began_s:.6f}"
        if self._fault == "stall_executor":
            time.sleep(_STALL_S)
            self._fault = "none"
        return response


def played_task(task: str, options: str, policy: str, arm: str = DEFAULT_ARM) -> TaskConfig:
    """`task` with its `options` and `arm`, else that of the folder `policy`, else arm/reach.

    Raises `CorruptFileError` for a folder that holds no policy, `ConfigError` for other options.
    """
    if not task and policy:
        learned = PolicyFolder(Path(policy)).config()["training"]["task"]
        return TaskConfig(name=learned["name"], options=learned["options"], arm=learned["arm"])
    try:
        return TaskConfig(name=task or "arm/reach", options=dict(json.loads(options)), arm=arm)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"task_options is no JSON object: {error}.") from error


def main() -> None:
    sys.exit(run(SimRobotNode, urgency.BODY))


if __name__ == "__main__":
    main()

"""One rosbag2 folder (MCAP) per episode, from raw bytes: nothing is decoded on the way."""

import sys
import time
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Bool, Header, String
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from robot_rl.episodes.bag_writer import BagWriter
from robot_rl.errors import RobotRLError
from robot_rl_nodes import graph
from robot_rl_nodes.messages import to_diagnostics
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import run

TOPICS = {
    graph.JOINT_STATES: JointState,
    graph.TCP_POSE: PoseStamped,
    graph.TCP_TWIST: TwistStamped,
    graph.POLICY_TWIST: TwistStamped,
    graph.POLICY_JOINTS: JointTrajectory,
    graph.TELEOP_TWIST: TwistStamped,
    graph.TELEOP_JOINTS: JointTrajectory,
    graph.TELEOP_DEADMAN: Header,
    graph.ARM_TWIST: TwistStamped,
    graph.ARM_JOINTS: JointTrajectory,
    graph.ARM_MODE: Header,
    graph.ESTOP: Bool,
    graph.INTERVENTION: Bool,
    graph.SAFETY_STEP: DiagnosticArray,
    graph.DIAGNOSTICS: DiagnosticArray,
}
_LATCHED = (graph.ARM_MODE, graph.ESTOP, graph.INTERVENTION)


class RecorderNode(Node):
    """Between `/episode/start` and `/episode/stop`; the operator judges the episode, at his page or
    by `/episode/success`.

    A recording that fails stops the arm: an episode that nobody can look at is not worth its risk.
    """

    def __init__(self) -> None:
        super().__init__("recorder_node")
        parameters = Parameters(self)
        root = Path(parameters.text("root", "recordings", "folder of the episodes")).expanduser()
        cameras = parameters.texts("cameras", ["/camera"], "namespaces of the cameras")
        images = parameters.text("images", "raw", "which images", ("raw", "compressed"))
        queue = parameters.count(
            "queue_size", 2000, "messages that may wait for the disk", 10, 10**6
        )
        self._note = parameters.text("note", "", "kept in the metadata of every episode")
        self._stop_arm = parameters.flag("stop_on_failure", True, "stop the arm if recording fails")
        topics = dict(TOPICS)
        for camera in cameras:
            topics[f"{camera}/camera_info"] = CameraInfo
            if images == "raw":
                topics[f"{camera}/image_raw"] = Image
            else:
                topics[f"{camera}/image_raw/compressed"] = CompressedImage
        self._writer = BagWriter(
            root, {topic: _type_name(kind) for topic, kind in topics.items()}, queue, self._failed
        )
        self._success: bool | None = None
        self._error = self._robot = ""
        self.create_subscription(String, graph.ARM_FEATURES, self._take_robot, graph.LATCHED)
        self.create_subscription(Header, graph.TELEOP_SAID, self._hear, graph.STATE)
        for topic, kind in topics.items():
            quality = graph.LATCHED if topic in _LATCHED else graph.RECORDED
            self.create_subscription(kind, topic, partial(self._take, topic), quality, raw=True)
        self._recording = self.create_publisher(Bool, graph.RECORDING, graph.LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, graph.DIAGNOSTICS, graph.STATE)
        self._trigger = self.create_client(Trigger, graph.SAFETY_TRIGGER)
        self.create_service(Trigger, graph.EPISODE_START, self._start)
        self.create_service(Trigger, graph.EPISODE_STOP, self._stop)
        self.create_service(SetBool, graph.EPISODE_SUCCESS, self._judge)
        self.create_timer(1.0, self._diagnose)

    def leave(self) -> None:
        """An episode that is open is closed, not thrown away."""
        if self._writer.recording:
            self._finish()

    def _take(self, topic: str, raw: bytes) -> None:
        self._writer.write(topic, time.time_ns(), raw)

    def _take_robot(self, message: String) -> None:
        self._robot = message.data

    def _hear(self, message: Header) -> None:
        if message.frame_id in ("success", "failure"):
            self._success = message.frame_id == "success"

    def _start(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            path = self._writer.start({"note": self._note, "robot": self._robot})
        except RobotRLError as error:
            response.success, response.message = False, str(error)
            return response
        self._success, self._error = None, ""
        self._recording.publish(Bool(data=True))
        response.success, response.message = True, str(path)
        return response

    def _stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self._finish()
        return response

    def _judge(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._success = request.data
        response.success = self._writer.recording
        response.message = "" if response.success else "no episode is being recorded"
        return response

    def _finish(self) -> tuple[bool, str]:
        self._recording.publish(Bool(data=False))
        try:
            return True, str(self._writer.finish({"success": self._success}))
        except RobotRLError as error:
            return False, str(error)

    def _failed(self, error: str) -> None:
        self._error = error
        self._diagnose()
        if self._stop_arm:
            self._trigger.call_async(Trigger.Request())

    def _diagnose(self) -> None:
        level = DiagnosticStatus.ERROR if self._error else DiagnosticStatus.OK
        text = self._error or ("recording" if self._writer.recording else "ready")
        values = (("drops", self._writer.drops),)
        self._diagnostics.publish(to_diagnostics("recorder", text, values, time.time(), level))


def _type_name(kind: type) -> str:
    package, _, rest = kind.__module__.partition(".")
    return f"{package}/{rest.partition('.')[0]}/{kind.__name__}"


def main() -> None:
    sys.exit(run(RecorderNode))


if __name__ == "__main__":
    main()

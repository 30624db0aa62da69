"""From image stamp to applied command: camera and arm, policy, safety in three processes, 20 Hz."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ros_graph import START_S, Graph, Probe
from benchmarks.runtime import PAPER, policy_folder
from benchmarks.timing import Row

TITLE = "latency through ROS 2"
_RATE_HZ = 20.0
_SIZE = 84
_SECONDS = 30.0


def run() -> list[Row]:
    with Graph() as graph:
        folder = policy_folder(Path(graph.root), PAPER, _SIZE, _RATE_HZ)
        graph.start("policy_node", {"policy": str(folder)})
        graph.start("safety_node", {"robot": "sim_arm"})
        probe = Probe()
        body = _Body(probe)
        try:
            latency_s, period_s = body.measure(_SECONDS)
        finally:
            body.close()
            probe.close()
    error_ms = 1e3 * np.abs(period_s - 1.0 / _RATE_HZ)
    median_ms = 1e3 * float(np.median(latency_s))
    missed = round(_SECONDS * _RATE_HZ) - len(latency_s)
    return [
        Row(
            "image stamp to applied command, median",
            median_ms,
            "ms",
            "<= 10",
        ),
        Row("image stamp to applied command, p99", _p99(1e3 * latency_s), "ms", "<= 30"),
        Row("period error of applied commands, p99", _p99(error_ms), "ms", "<= 10"),
        Row("commands missing", float(max(0, missed)), f"of {round(_SECONDS * _RATE_HZ)}"),
    ]


class _Body:
    """Camera and arm: sends frames and joints at 20 Hz, notes when commands arrive."""

    def __init__(self, probe: Probe) -> None:
        from geometry_msgs.msg import PoseStamped, TwistStamped
        from sensor_msgs.msg import Image, JointState
        from std_msgs.msg import String

        from hardware.announced import RobotFeatures, camera_to_json
        from hardware.arm import ArmFeatures
        from hardware.camera import CameraFeatures
        from robot_rl.axes import GRIPPER, TCP_LINEAR, Axis
        from robot_rl_nodes import graph
        from robot_rl_nodes.messages import ImageMessage

        self._probe = probe
        node = probe.node
        features = CameraFeatures(name="camera", height=_SIZE, width=_SIZE, rate_hz=_RATE_HZ)
        self._message = ImageMessage(features)
        arm = ArmFeatures(
            name="body",
            axes=tuple(Axis(name=name, unit="m") for name in (*TCP_LINEAR, GRIPPER)),
            joint_names=("a",),
            joint_low_rad=(-1.0,),
            joint_high_rad=(1.0,),
        )
        self._robot = RobotFeatures(arm=arm, control_rate_hz=_RATE_HZ)
        self._told = [
            (
                node.create_publisher(String, graph.ARM_FEATURES, graph.LATCHED),
                self._robot.to_json(),
            ),
            (
                node.create_publisher(String, f"/camera/{graph.CAMERA_FEATURES}", graph.LATCHED),
                camera_to_json(features),
            ),
        ]
        for publisher, text in self._told:
            publisher.publish(String(data=text))
        self._image = node.create_publisher(Image, "/camera/image_raw", graph.IMAGE_OUT)
        self._joints = node.create_publisher(JointState, graph.JOINT_STATES, graph.STATE)
        self._pose = node.create_publisher(PoseStamped, graph.TCP_POSE, graph.STATE)
        self._twist = node.create_publisher(TwistStamped, graph.TCP_TWIST, graph.STATE)
        node.create_subscription(TwistStamped, graph.ARM_TWIST, self._applied, graph.COMMAND)
        self._stamp_s = 0.0
        self._arrivals: list[tuple[float, float]] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._stream, daemon=True)
        self._thread.start()

    def measure(self, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        """(latencies, periods) in s, once the policy moves the arm."""
        from robot_rl_nodes import graph

        end_s = time.monotonic() + START_S
        while not self._moves() and time.monotonic() < end_s:
            self._probe.trigger(graph.SAFETY_RESET)
            self._probe.trigger(graph.POLICY_RESET)
            time.sleep(0.5)
        time.sleep(2.0)
        self._arrivals.clear()
        time.sleep(seconds)
        arrivals = list(self._arrivals)
        latency_s = np.array([at_s - stamp_s for at_s, stamp_s in arrivals])
        return latency_s, np.diff([at_s for at_s, _ in arrivals])

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _moves(self) -> bool:
        return len(self._arrivals) > 10

    def _applied(self, message: Any) -> None:
        linear = message.twist.linear
        if linear.x or linear.y or linear.z:
            self._arrivals.append((time.time(), self._stamp_s))

    def _stream(self) -> None:
        from hardware.arm import ArmState
        from robot_rl_nodes.messages import to_joint_state, to_pose, to_twist

        arm = self._robot.arm
        frames = np.random.default_rng(0).integers(0, 256, (16, _SIZE, _SIZE, 3), np.uint8)
        due_s, count = time.monotonic(), 0
        while not self._closing.is_set():
            stamp_s = time.time()
            state = ArmState(
                joint_pos_rad=(0.0,),
                joint_vel_rad_s=(0.0,),
                tcp_pos_m=(0.35, 0.0, 0.15),
                tcp_quat=(1.0, 0.0, 0.0, 0.0),
                tcp_vel_m_s=(0.0, 0.0, 0.0),
                gripper_m=0.02,
                stamp_s=stamp_s,
            )
            self._joints.publish(to_joint_state(state, arm))
            self._pose.publish(to_pose(state, arm.base_frame))
            self._twist.publish(to_twist(state.tcp_vel_m_s, (0.0,) * 3, stamp_s, arm.base_frame))
            self._stamp_s = time.time()  # a camera exposes on its own, not after the arm's reports
            self._image.publish(self._message.fill(frames[count % 16], self._stamp_s))
            count += 1
            due_s += 1.0 / _RATE_HZ
            time.sleep(max(0.0, due_s - time.monotonic()))


def _p99(values: np.ndarray) -> float:
    return float(np.percentile(values, 99))

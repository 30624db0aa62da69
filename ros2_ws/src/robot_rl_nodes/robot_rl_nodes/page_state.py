"""What the operator's page shows, gathered from the graph."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from hardware.ros_messages import to_image, to_seconds
from robot_rl.axes import Axis, Vector
from robot_rl.errors import HardwareError
from robot_rl_nodes import graph
from robot_rl_nodes.image_stream import ImageStream

_FINE = ("armed", "")
_FRESH_S = 0.5
_PREVIEW_PX = 384


class PageState:
    """Fed by subscriptions, read by the web server's thread."""

    def __init__(self, node: Node, camera: str, axes: Sequence[Axis], bounds: Vector) -> None:
        """`bounds` are the rates at which the bars of the axes are full."""
        self._lock = threading.Lock()
        self._bars = tuple(zip(axes, bounds, strict=True))
        self._jpeg: bytes | None = None
        self._joints: JointState | None = None
        self._step: dict[str, str] = {}
        self._stepped_s = 0.0
        self._source = "nobody"
        self._safety: tuple[str, dict[str, str]] = ("not heard from yet", {})
        self._picture = self._waits = ""
        self._latencies_ms: dict[str, float] = {}
        ImageStream(node, f"{camera}/image_raw", self._see)
        node.create_subscription(JointState, graph.JOINT_STATES, self._take_joints, graph.STATE)
        node.create_subscription(DiagnosticArray, graph.SAFETY_STEP, self._take_step, graph.STATE)
        node.create_subscription(DiagnosticArray, graph.DIAGNOSTICS, self._take_health, graph.STATE)
        node.create_subscription(Header, graph.HEARTBEAT, self._take_heartbeat, graph.STATE)

    def frame(self) -> bytes | None:
        return self._jpeg

    def state(self) -> dict[str, Any]:
        with self._lock:
            text, counts = self._safety
            moving = time.monotonic() - self._stepped_s < _FRESH_S
            step = self._step if moving else {}
            return {
                "source": self._source,
                "reasons": [r for r in (*text.split("; "), self._picture) if r not in _FINE],
                "counts": counts,
                "actions": self._actions(step),
                "joints": self._joint_rows(),
                "latencies_ms": dict(self._latencies_ms),
                "guarded": True,
                "waits": self._waits,
            }

    def _actions(self, step: dict[str, str]) -> list[dict[str, Any]]:
        still = " ".join("0" for _ in self._bars)
        requested, applied = (
            map(float, step.get(key, still).split()) for key in ("requested", "applied")
        )
        return [
            {"name": axis.name, "requested": r, "applied": a, "bound": bound, "unit": _unit(axis)}
            for (axis, bound), r, a in zip(self._bars, requested, applied, strict=True)
        ]

    def _joint_rows(self) -> list[dict[str, Any]]:
        if self._joints is None:
            return []
        units = {axis.name: axis.unit for axis, _ in self._bars}
        return [
            {"name": name, "position": at, "unit": units.get(name, "rad")}
            for name, at in zip(self._joints.name, self._joints.position, strict=True)
        ]

    # ------------------------------------------------------------------ inputs

    def _see(self, message: Image) -> None:
        age_s = time.time() - to_seconds(message.header.stamp)
        try:
            image = cv2.cvtColor(to_image(message), cv2.COLOR_RGB2BGR)
        except HardwareError as error:
            self._picture = f"no picture: {error}"
            return
        self._picture = ""
        if image.shape[0] < _PREVIEW_PX:
            image = cv2.resize(image, (_PREVIEW_PX, _PREVIEW_PX), interpolation=cv2.INTER_NEAREST)
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
        with self._lock:
            self._jpeg = encoded.tobytes()
            self._latencies_ms["image to this node"] = 1e3 * age_s

    def _take_joints(self, message: JointState) -> None:
        with self._lock:
            self._joints = message

    def _take_step(self, message: DiagnosticArray) -> None:
        (status,) = message.status
        with self._lock:
            self._step = {pair.key: pair.value for pair in status.values}
            self._stepped_s = time.monotonic()

    def _take_health(self, message: DiagnosticArray) -> None:
        (status,) = message.status
        values = {pair.key: pair.value for pair in status.values}
        with self._lock:
            if status.name == "safety":
                self._safety = (status.message, {k: v for k, v in values.items() if k != "source"})
            if status.name == "policy":
                self._waits = "" if status.level == DiagnosticStatus.OK else status.message
            if status.name == "policy" and "last_inference_s" in values:
                self._latencies_ms["policy inference"] = 1e3 * float(values["last_inference_s"])
                self._latencies_ms["age of its observation"] = 1e3 * float(values["last_obs_age_s"])

    def _take_heartbeat(self, message: Header) -> None:
        age_s = time.time() - to_seconds(message.stamp)
        with self._lock:
            self._source = message.frame_id
            self._latencies_ms["safety heartbeat"] = 1e3 * age_s


def _unit(axis: Axis) -> str:
    return f"{axis.unit}/s" if axis.by == "rate" else axis.unit

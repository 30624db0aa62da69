"""640x480 raw images at 30 Hz to two subscribers, with the shipped profile and without."""

import json
import os
import subprocess
import sys
import time

import numpy as np

from benchmarks.timing import Row
from robot_rl_nodes.transport import profile

TITLE = "large images"
_FRAMES = 300
_RATE_HZ = 30.0
_IDLE_S = 3.0


def run() -> list[Row]:
    rows = []
    for name, file in (("shipped profile", str(profile("local"))), ("default transports", "")):
        for index, found in enumerate(_send(file)):
            bar = f"{_FRAMES}" if file else ""
            what = f"640x480 raw, {name}, subscriber {index + 1}"
            rows.append(Row(f"{what}, received of {_FRAMES}", found["received"], "frames", bar))
            rows.append(Row(f"{what}, latency p99", found["p99_ms"], "ms"))
    return rows


def _send(file: str) -> list[dict[str, float]]:
    environment = {k: v for k, v in os.environ.items() if k != "FASTDDS_DEFAULT_PROFILES_FILE"}
    environment |= {"ROS_DOMAIN_ID": "77"}
    environment |= {"FASTDDS_DEFAULT_PROFILES_FILE": file} if file else {}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.transport", role],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
        )
        for role in ("subscriber", "subscriber", "publisher")
    ]
    told = [process.communicate(timeout=120)[0] for process in processes]
    return [json.loads(text) for text in told[:2]]


def publisher() -> None:
    import rclpy
    from rclpy.node import Node
    from sensor_msgs.msg import Image

    from hardware.camera import CameraFeatures
    from robot_rl_nodes import graph
    from robot_rl_nodes.messages import ImageMessage

    rclpy.init()
    node = Node("publisher")
    out = node.create_publisher(Image, "/camera/image_raw", graph.IMAGE_OUT)
    message = ImageMessage(CameraFeatures(name="c", height=480, width=640, rate_hz=_RATE_HZ))
    frames = np.random.default_rng(0).integers(0, 256, (4, 480, 640, 3), np.uint8)
    while out.get_subscription_count() < 2:
        time.sleep(0.05)
    time.sleep(1.0)
    due_s = time.monotonic()
    for number in range(_FRAMES):
        out.publish(message.fill(frames[number % 4], time.time()))
        due_s += 1.0 / _RATE_HZ
        time.sleep(max(0.0, due_s - time.monotonic()))
    time.sleep(_IDLE_S + 1.0)
    rclpy.shutdown()


def subscriber() -> None:
    import rclpy
    from rclpy.node import Node
    from sensor_msgs.msg import Image

    from hardware.ros_messages import to_image, to_seconds
    from robot_rl_nodes import graph

    rclpy.init()
    node = Node("subscriber")
    latency_ms: list[float] = []
    last_s = [time.monotonic()]

    def take(message: Image) -> None:
        to_image(message)
        latency_ms.append(1e3 * (time.time() - to_seconds(message.header.stamp)))
        last_s[0] = time.monotonic()

    node.create_subscription(Image, "/camera/image_raw", take, graph.IMAGE_IN)
    while time.monotonic() - last_s[0] < (_IDLE_S if latency_ms else 30.0):
        rclpy.spin_once(node, timeout_sec=0.2)
    rclpy.shutdown()
    p99_ms = float(np.percentile(latency_ms, 99)) if latency_ms else float("nan")
    print(json.dumps({"received": len(latency_ms), "p99_ms": p99_ms}))


if __name__ == "__main__":
    {"publisher": publisher, "subscriber": subscriber}[sys.argv[1]]()

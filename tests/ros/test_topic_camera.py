"""Any image topic is a camera, in a process that has no node of its own."""

import threading
import time

import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image

from hardware.camera import CameraFeatures
from hardware.drivers import CAMERAS, load_driver
from robot_rl.errors import HardwareError
from robot_rl_nodes import graph
from robot_rl_nodes.messages import ImageMessage

TOPIC = "/foreign/image_raw"


@pytest.fixture
def publish():
    """Somebody's driver, which goes on until it is told otherwise."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("foreign", context=context)
    out = node.create_publisher(Image, TOPIC, graph.IMAGE_OUT)
    closing = threading.Event()
    state = {"size": (24, 32), "sent": 0}

    def run():
        while not closing.wait(0.03):
            height, width = state["size"]
            features = CameraFeatures(name="foreign", height=height, width=width, rate_hz=30.0)
            state["sent"] += 1
            image = np.full((height, width, 3), state["sent"] % 200, np.uint8)
            out.publish(ImageMessage(features).fill(image, time.time()))

    thread = threading.Thread(target=run)
    thread.start()
    yield state
    closing.set()
    thread.join()
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def read_on(camera):
    while True:
        camera.read(5.0)


def test_frames_come_with_their_stamps_and_a_change_of_size_is_told(publish):
    camera = load_driver(CAMERAS, "topic", {"topic": TOPIC, "height": 24, "width": 32})
    with pytest.raises(HardwareError, match="nobody listens"):
        camera.read(0.1)
    camera.connect()
    try:
        first, second = camera.read(20.0), camera.read(5.0)
        assert first.image.shape == (24, 32, 3)
        assert second.stamp_s > first.stamp_s
        assert abs(time.time() - second.stamp_s) < 1.0
        publish["size"] = (48, 64)
        with pytest.raises(HardwareError, match="48x64 pixels, and 24x32 were announced"):
            read_on(camera)
    finally:
        camera.disconnect()
        camera.disconnect()


def test_a_topic_without_a_publisher():
    camera = load_driver(CAMERAS, "topic", {"topic": "/nobody/image_raw"})
    camera.connect()
    try:
        with pytest.raises(HardwareError, match="no image on /nobody/image_raw"):
            camera.read(0.3)
    finally:
        camera.disconnect()

"""Another driver's image topic as a `Camera`: to crop, resize and watch what it sends."""

import threading

from rclpy.node import Node
from sensor_msgs.msg import Image

from hardware.camera import CameraFeatures, Frame
from hardware.ros_messages import to_image, to_seconds
from robot_rl.errors import HardwareError
from robot_rl_nodes.image_stream import ImageStream


class TopicCamera:
    """Frames of `topic`, with the stamps of its driver. Those that cannot be read are left out."""

    def __init__(self, node: Node, topic: str, features: CameraFeatures) -> None:
        self.features = features
        self._topic = topic
        self._newest: Frame | None = None
        self._refused = ""
        self._arrived = threading.Condition()
        self._stream = ImageStream(node, topic, self._take)

    def connect(self) -> None:
        """Nothing to open: the subscription waits for whoever publishes."""

    def read(self, timeout_s: float) -> Frame:
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._newest is not None, timeout_s):
                raise HardwareError(
                    f"no image on {self._topic} within {timeout_s:g} s. {self._refused}".rstrip()
                )
            frame, self._newest = self._newest, None
        assert frame is not None
        return frame

    def disconnect(self) -> None:
        """The subscription goes with its node."""

    def _take(self, message: Image) -> None:
        try:
            image = to_image(message)
        except HardwareError as error:
            self._refused = f"The newest was refused: {error}"
            return
        with self._arrived:
            self._refused = ""
            self._newest = Frame(image=image, stamp_s=to_seconds(message.header.stamp))
            self._arrived.notify_all()

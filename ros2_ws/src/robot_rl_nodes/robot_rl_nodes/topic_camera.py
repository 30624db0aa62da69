"""Another driver's image topic as a `Camera`: to crop, resize and watch what it sends."""

import threading

from rclpy.node import Node
from sensor_msgs.msg import Image

from hardware.camera import CameraFeatures, Frame
from hardware.ros_messages import to_image, to_seconds
from robot_rl.errors import HardwareError
from robot_rl_nodes.image_stream import ImageStream
from robot_rl_nodes.own_node import OwnNode


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


class OwnTopicCamera:
    """The same for a process that has no node: `robot.cameras.NAME.driver=topic`."""

    def __init__(
        self,
        topic: str,
        name: str = "camera",
        height: int = 480,
        width: int = 640,
        rate_hz: float = 30.0,
    ) -> None:
        self._topic = topic
        self.features = CameraFeatures(name=name, height=height, width=width, rate_hz=rate_hz)
        self._camera: TopicCamera | None = None
        self._own: OwnNode | None = None

    def connect(self) -> None:
        """Whether anybody publishes is seen when it is read."""
        self._own = OwnNode(f"{self.features.name}_ear")
        self._camera = TopicCamera(self._own.node, self._topic, self.features)
        self._own.start()

    def read(self, timeout_s: float) -> Frame:
        """Raises `HardwareError` when none comes in time, or one of another size."""
        if self._camera is None:
            raise HardwareError(f"nobody listens to {self._topic} yet.")
        frame = self._camera.read(timeout_s)
        wanted = (self.features.height, self.features.width)
        if frame.image.shape[:2] != wanted:
            raise HardwareError(
                f"{self._topic} sends {frame.image.shape[0]}x{frame.image.shape[1]} pixels, and "
                f"{wanted[0]}x{wanted[1]} were announced: did its camera change its mode? Set "
                "height and width."
            )
        return frame

    def disconnect(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = self._camera = None

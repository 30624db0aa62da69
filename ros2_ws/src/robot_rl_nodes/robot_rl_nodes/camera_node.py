"""Any camera as image_raw, image_raw/compressed and camera_info, cropped at the source."""

import math
import sys
import threading

import cv2
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from hardware.announced import camera_to_json
from hardware.camera import Camera, CameraFeatures, CroppedCamera, Frame
from hardware.cameras.opencv import OpenCVCamera
from hardware.drivers import CAMERAS, load_driver, settings_of
from robot_rl.deploy import urgency
from robot_rl.errors import ConfigError
from robot_rl_nodes import graph
from robot_rl_nodes.messages import ImageMessage, to_time
from robot_rl_nodes.parameters import Parameters
from robot_rl_nodes.spin import explain, run
from robot_rl_nodes.topic_camera import TopicCamera

_READ_TIMEOUT_S = 1.0
_RETRY_S = 1.0
_TOPIC = "topic"  # here it needs no node of its own


class CameraNode(Node):
    """Publishes in its namespace (`/camera` by default), on a thread that reads the camera."""

    def __init__(self) -> None:
        super().__init__("camera_node", namespace="/camera")
        parameters = Parameters(self)
        self._camera = self._make_camera(parameters)
        self._jpeg_quality = parameters.count(
            "jpeg_quality", 90, "JPEG quality; 0 sends no JPEG", 0, 100
        )
        features = self._camera.features
        self._image = ImageMessage(features)
        self._info = camera_info(features)
        self._announced = self.create_publisher(String, graph.CAMERA_FEATURES, graph.LATCHED)
        self._announced.publish(String(data=camera_to_json(features)))
        self._raw_out = self.create_publisher(Image, "image_raw", graph.IMAGE_OUT)
        self._info_out = self.create_publisher(CameraInfo, "camera_info", graph.IMAGE_OUT)
        self._jpeg_out = self.create_publisher(
            CompressedImage, "image_raw/compressed", graph.IMAGE_OUT
        )
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._stream, name="camera", daemon=True)
        self._thread.start()

    def _make_camera(self, parameters: Parameters) -> Camera:
        driver = parameters.text("driver", "opencv", "topic, a name, or package.module:Class")
        settings = parameters.text("driver_settings", "{}", "JSON passed to the driver's class")
        source = parameters.text("source", "0", "device number, stream, file, or image topic")
        rate_hz = parameters.number("rate_hz", 30.0, "frames per second", 1.0, 240.0)
        width = parameters.count("width", 640, "width that is published, px", 16, 4096)
        height = parameters.count("height", 480, "height that is published, px", 16, 4096)
        crop = parameters.texts(
            "crop", [], "top, left, height, width of what is kept of the camera's frame, px"
        )
        frame_id = parameters.text("frame_id", "camera_color_optical_frame", "frame of the images")
        name = self.get_namespace().strip("/") or "camera"
        features = CameraFeatures(
            name=name, height=height, width=width, rate_hz=rate_hz, frame_id=frame_id
        )
        inner: Camera
        if driver == _TOPIC:
            inner = TopicCamera(self, source, features)
        elif driver == "opencv":
            inner = OpenCVCamera(source, name, rate_hz=rate_hz)
        else:
            inner = load_driver(CAMERAS, driver, settings_of(settings))
        return CroppedCamera(inner, name, height, width, _crop(crop))

    def leave(self) -> None:
        self._closing.set()
        self._thread.join(timeout=2 * _READ_TIMEOUT_S)
        self._camera.disconnect()

    def _stream(self) -> None:
        while not self._closing.is_set():
            try:
                self._camera.connect()
                while not self._closing.is_set():
                    self._publish(self._camera.read(_READ_TIMEOUT_S))
            except Exception as error:
                # The outermost loop of this thread: a driver may raise anything, and a thread that
                # ended in silence would leave a camera that nobody tries again.
                told = f"{explain(error)} Trying again."
                self.get_logger().warning(told, throttle_duration_sec=5.0)
                self._camera.disconnect()
                self._closing.wait(_RETRY_S)

    def _publish(self, frame: Frame) -> None:
        self._raw_out.publish(self._image.fill(frame.image, frame.stamp_s))
        self._info.header.stamp = to_time(frame.stamp_s)
        self._info_out.publish(self._info)
        if self._jpeg_quality and self._jpeg_out.get_subscription_count():
            self._jpeg_out.publish(self._compress(frame))

    def _compress(self, frame: Frame) -> CompressedImage:
        options = [cv2.IMWRITE_JPEG_QUALITY, self._jpeg_quality]
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), options)
        message = CompressedImage(format="jpeg")
        message.header.stamp = to_time(frame.stamp_s)
        message.header.frame_id = self._image.message.header.frame_id
        message.data.frombytes(encoded.tobytes())
        return message


def camera_info(features: CameraFeatures) -> CameraInfo:
    """Pinhole of the given field of view: a starting point until the camera is calibrated."""
    focal_px = features.height / (2.0 * math.tan(math.radians(features.fovy_deg) / 2.0))
    cx, cy = features.width / 2.0, features.height / 2.0
    info = CameraInfo(height=features.height, width=features.width, distortion_model="plumb_bob")
    info.header.frame_id = features.frame_id
    info.d = [0.0] * 5
    info.k = [focal_px, 0.0, cx, 0.0, focal_px, cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [focal_px, 0.0, cx, 0.0, 0.0, focal_px, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def _crop(texts: list[str]) -> tuple[int, ...]:
    if len(texts) not in (0, 4) or not all(text.isdigit() for text in texts):
        raise ConfigError(
            f"parameter crop is {texts}; it needs 4 whole numbers, e.g. ['0','80','480','480']."
        )
    return tuple(map(int, texts))


def main() -> None:
    sys.exit(run(CameraNode, urgency.BODY))


if __name__ == "__main__":
    main()

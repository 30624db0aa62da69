"""RealSense's own package: frames of its software device, and no camera here."""

import time

import numpy as np
import pyrealsense2 as rs
import pytest

from hardware.cameras.realsense import RealSenseCamera, to_frame
from hardware.drivers import CAMERAS, load_driver
from robot_rl.errors import HardwareError

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def software():
    """(sensor, its queue of frames, its colour profile) of a device that is program alone."""
    device = rs.software_device()
    sensor = device.add_sensor("colour")
    stream = rs.video_stream()
    stream.type, stream.index, stream.uid = rs.stream.color, 0, 1
    stream.width, stream.height, stream.fps, stream.bpp = WIDTH, HEIGHT, 30, 3
    stream.fmt = rs.format.rgb8
    stream.intrinsics = rs.intrinsics()
    profile = sensor.add_video_stream(stream).as_video_stream_profile()
    queue = rs.frame_queue(10)
    sensor.open(profile)
    sensor.start(queue)
    yield sensor, queue, profile
    sensor.stop()
    sensor.close()


def inject(sensor, profile, image, stamp_ms, domain=rs.timestamp_domain.system_time):
    frame = rs.software_video_frame()
    frame.stride, frame.bpp, frame.frame_number = 3 * WIDTH, 3, 1
    frame.pixels, frame.timestamp = image, stamp_ms
    frame.domain, frame.profile = domain, profile
    sensor.on_video_frame(frame)


def test_a_frame_keeps_its_pixels_and_its_time(software):
    sensor, queue, profile = software
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    taken_s = time.time() - 0.05
    inject(sensor, profile, image, 1000 * taken_s)
    frame = to_frame(queue.wait_for_frame(2000).as_video_frame())
    np.testing.assert_array_equal(frame.image, image)
    assert frame.stamp_s == pytest.approx(taken_s, abs=1e-3)
    # A camera that counts from when it was switched on: then it is when the frame came.
    inject(sensor, profile, image, 12_345.0, rs.timestamp_domain.hardware_clock)
    late = to_frame(queue.wait_for_frame(2000).as_video_frame())
    assert abs(time.time() - late.stamp_s) < 1.0


def test_without_a_camera_it_says_what_is_there():
    camera = load_driver(CAMERAS, "realsense", {"serial": "012345678901", "height": 480})
    assert isinstance(camera, RealSenseCamera)
    with pytest.raises(HardwareError, match=r"'012345678901' is not there. Plugged in here: none"):
        camera.connect()
    with pytest.raises(HardwareError, match="not connected"):
        camera.read(0.1)
    camera.disconnect()

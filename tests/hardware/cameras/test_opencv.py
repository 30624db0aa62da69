"""Cameras: OpenCV's on a video file, the reader's thread, and drivers by name."""

import time

import numpy as np
import pytest

from hardware.camera import CameraFeatures, CroppedCamera, Frame
from hardware.camera_reader import CameraReader
from hardware.cameras.opencv import OpenCVCamera
from hardware.drivers import ARMS, CAMERAS, load_driver, settings_of
from robot_rl.analysis.video import write_mp4
from robot_rl.errors import ConfigError, HardwareError, UnknownNameError


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Ten frames, red on the left half, ever brighter."""
    frames = [np.zeros((48, 64, 3), np.uint8) for _ in range(10)]
    for i, frame in enumerate(frames):
        frame[:, :32, 0] = 100 + 10 * i
    path = tmp_path_factory.mktemp("video") / "film.mp4"
    write_mp4(path, frames, 10.0)
    return str(path)


def test_a_stream_is_read_as_rgb_with_stamps_until_it_ends(video):
    camera = OpenCVCamera(video)
    camera.connect()
    assert (camera.features.height, camera.features.width) == (48, 64)
    frames = [camera.read(1.0) for _ in range(10)]
    assert frames[0].image.shape == (48, 64, 3)
    left, right = frames[-1].image[24, 10], frames[-1].image[24, 50]
    assert left[0] > 150 > 60 > max(left[1:])
    assert max(right) < 60
    assert abs(frames[-1].stamp_s - time.time()) < 1.0
    with pytest.raises(HardwareError, match="unplugged, or at its end"):
        camera.read(1.0)
    camera.disconnect()


def test_a_camera_that_is_not_there_says_what_to_look_at():
    with pytest.raises(HardwareError, match=r"cannot be opened\. Is it plugged in"):
        OpenCVCamera("/no/such/film.mp4").connect()
    with pytest.raises(HardwareError, match="not connected"):
        OpenCVCamera("0").read(0.1)


def test_the_reader_hands_over_later_frames_and_passes_errors_on(video):
    reader = CameraReader(CroppedCamera(OpenCVCamera(video), "c", 16, 16, (0, 0, 48, 32)))
    reader.start()
    with pytest.raises(HardwareError, match="at its end"):
        reader.after(time.time() + 60.0, 5.0)
    reader.close()


def test_a_camera_is_cropped_and_resized_at_the_source(video):
    camera = CroppedCamera(OpenCVCamera(video), "left", 16, 20, (0, 0, 48, 32))
    camera.connect()
    features = camera.features
    assert (features.name, features.height, features.width) == ("left", 16, 20)
    image = camera.read(1.0).image
    assert image.shape == (16, 20, 3)
    assert image[:, :16, 0].min() > 60  # the red half alone
    camera.disconnect()
    wide = CroppedCamera(OpenCVCamera(video), "wide", 16, 16, (0, 0, 48, 65))
    wide.connect()
    with pytest.raises(ConfigError, match=r"camera 'wide': crop .* does not lie inside 48x64"):
        wide.read(1.0)
    wide.disconnect()


class StuckCamera:
    """Shows one frame and never another."""

    features = CameraFeatures(name="stuck", height=4, width=4, rate_hz=10.0)

    def __init__(self) -> None:
        self.shown = False

    def connect(self) -> None:
        pass

    def read(self, timeout_s: float) -> Frame:
        if self.shown:
            time.sleep(0.5)
        self.shown = True
        return Frame(image=np.zeros((4, 4, 3), np.uint8), stamp_s=1.0)

    def disconnect(self) -> None:
        pass


def test_a_camera_that_falls_silent_is_named():
    reader = CameraReader(StuckCamera())
    reader.start()
    assert reader.after(0.5, 1.0).stamp_s == 1.0
    with pytest.raises(HardwareError, match=r"'stuck' gave no new frame within 0\.10 s"):
        reader.after(1.0, 0.1)
    reader.close()


def test_drivers_are_found_by_name_and_by_path():
    for driver in ("opencv", "hardware.cameras.opencv:OpenCVCamera"):
        settings = settings_of('{"source": "3", "width": 320}')
        assert load_driver(CAMERAS, driver, settings).features.width == 320
    for driver, settings in (
        ("hardware.nothing:Camera", {}),
        ("hardware.cameras.opencv:Nothing", {}),
        ("hardware.cameras.opencv:OpenCVCamera", {"colour": 1}),
        ("opencv", {"colour": 1}),
    ):
        with pytest.raises(ConfigError, match=r"cannot be made .*package\.module:Class"):
            load_driver(CAMERAS, driver, settings)
    with pytest.raises(UnknownNameError, match=r"unknown arm 'simm'\. Choose one of: sim"):
        load_driver(ARMS, "simm", {})
    with pytest.raises(ConfigError, match="no JSON object"):
        settings_of("not json")

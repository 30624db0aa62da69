"""Cameras as data: rate, delay, noise and crop are what a real camera would have delivered."""

import numpy as np
import pytest

from robot_rl.envs.cameras import CameraSpec
from robot_rl.errors import ConfigError
from sim.cameras import SimCamera


class Clock:
    """A scene whose frame shows the control step it was taken in."""

    def __init__(self) -> None:
        self.step = 0

    def render(self) -> np.ndarray:
        return np.full((20, 20, 3), self.step, np.uint8)


def delivered(spec: CameraSpec, steps: int, rate_hz: float = 10.0) -> list[int]:
    clock, rng = Clock(), np.random.default_rng(0)
    camera = SimCamera(spec, rate_hz, clock.render)
    frames = [camera.reset(0.0, rng)]
    for step in range(1, steps):
        clock.step = step
        frames.append(camera.read(step / rate_hz, rng))
    return [int(frame[0, 0, 0]) for frame in frames]


def test_a_plain_camera_shows_the_present():
    assert delivered(CameraSpec(name="c"), 5) == [0, 1, 2, 3, 4]


def test_a_slow_camera_holds_its_frame():
    assert delivered(CameraSpec(name="c", rate_hz=5.0), 7) == [0, 0, 2, 2, 4, 4, 6]


def test_a_late_camera_shows_the_past():
    spec = CameraSpec(name="c", delay_low_s=0.2, delay_high_s=0.2)
    assert delivered(spec, 6) == [0, 0, 0, 1, 2, 3]


def test_a_delay_between_steps_is_rounded_up():
    spec = CameraSpec(name="c", delay_low_s=0.15, delay_high_s=0.15)
    assert delivered(spec, 6) == [0, 0, 0, 1, 2, 3]


def test_noise_has_the_given_deviation():
    scene = np.full((64, 64, 3), 128, np.uint8)
    camera = SimCamera(CameraSpec(name="c", noise_std=5.0), 10.0, lambda: scene)
    frame = camera.reset(0.0, np.random.default_rng(0))
    assert frame.astype(float).std() == pytest.approx(5.0, rel=0.05)


def test_crop_takes_top_left_height_width():
    scene = np.arange(20 * 20 * 3, dtype=np.uint32).reshape(20, 20, 3).astype(np.uint8)
    spec = CameraSpec(name="c", height=20, width=20, crop=(2, 3, 16, 10))
    frame = SimCamera(spec, 10.0, lambda: scene).reset(0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(frame, scene[2:18, 3:13])
    assert (spec.field(10.0).height, spec.field(10.0).width) == (16, 10)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"height": 8}, "below 16x16"),
        ({"delay_low_s": 0.3}, "delay_low_s <= delay_high_s"),
        ({"height": 64, "width": 64, "crop": (60, 0, 10, 10)}, "does not lie inside 64x64"),
        ({"pos": (1.0,)}, "pos has 3 numbers"),
    ],
)
def test_impossible_cameras_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        CameraSpec(name="c", **settings)

"""Cameras as data: rate, delay, noise and crop are what a real camera would have delivered."""

import numpy as np
import pytest

from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.frames import cut
from robot_rl.errors import ConfigError
from sim.cameras import SimCamera
from sim.registry import make_env


class Clock:
    """A scene whose frame shows the control step it was taken in."""

    def __init__(self) -> None:
        self.step = 0

    def render(self) -> np.ndarray:
        return np.full((20, 20, 3), self.step, np.uint8)


def camera_spec(**settings) -> CameraSpec:
    return CameraSpec(name="c", height=20, width=20, **settings)


def delivered(spec: CameraSpec, steps: int, rate_hz: float = 10.0) -> list[int]:
    clock, rng = Clock(), np.random.default_rng(0)
    camera = SimCamera(spec, rate_hz, clock.render)
    frames = [camera.reset(0.0, rng)]
    for step in range(1, steps):
        clock.step = step
        frames.append(camera.read(step / rate_hz, rng))
    return [int(frame[0, 0, 0]) for frame in frames]


def test_a_plain_camera_shows_the_present():
    assert delivered(camera_spec(), 5) == [0, 1, 2, 3, 4]


def test_a_slow_camera_holds_its_frame():
    assert delivered(camera_spec(rate_hz=5.0), 7) == [0, 0, 2, 2, 4, 4, 6]


def test_a_late_camera_shows_the_past():
    spec = camera_spec(delay_low_s=0.2, delay_high_s=0.2)
    assert delivered(spec, 6) == [0, 0, 0, 1, 2, 3]


def test_a_delay_between_steps_is_rounded_up():
    spec = camera_spec(delay_low_s=0.15, delay_high_s=0.15)
    assert delivered(spec, 6) == [0, 0, 0, 1, 2, 3]


def test_noise_has_the_given_deviation():
    scene = np.full((64, 64, 3), 128, np.uint8)
    spec = CameraSpec(name="c", height=64, width=64, noise_std=5.0)
    camera = SimCamera(spec, 10.0, lambda: scene)
    frame = camera.reset(0.0, np.random.default_rng(0))
    assert frame.astype(float).std() == pytest.approx(5.0, rel=0.05)


def test_a_crop_is_of_the_source_and_keeps_the_size():
    scene = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)
    spec = CameraSpec(
        name="c", height=16, width=16, crop=(2, 3, 32, 32), source_height=40, source_width=60
    )
    frame = SimCamera(spec, 10.0, lambda: scene).reset(0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(frame, cut(scene, (2, 3, 32, 32), 16, 16))
    by_hand = scene[2:34, 3:35].reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(frame, by_hand, atol=0.51)
    field = spec.field(10.0)
    assert (field.height, field.width, field.source_size) == (16, 16, (40, 60))


def test_a_crop_without_a_source_is_of_the_frame_itself():
    spec = CameraSpec(crop=(0, 0, 10, 20)).named("c", 20)
    assert spec.field(10.0).source_size == (20, 20)
    assert CameraSpec().named("c", 20).field(10.0).source_size == (20, 20)


def test_a_simulated_camera_renders_the_source_and_cuts():
    """The middle of a wide source is what a camera of half the field of view sees."""
    whole = CameraSpec(name="front", height=64, width=64)
    middle = CameraSpec(
        name="front",
        height=64,
        width=64,
        crop=(32, 64, 64, 64),
        source_height=128,
        source_width=192,
    )
    frames = []
    for spec in (whole, middle):
        env = make_env("arm/reach", (spec,))
        frames.append(env.reset(seed=0)[0]["image/front"].astype(int))
        env.close()
    assert frames[1].shape == (64, 64, 3)
    enlarged = frames[0][16:48, 16:48].repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(frames[1] - enlarged).mean() < 0.2 * np.abs(frames[1] - frames[0]).mean()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"height": 8}, "below 16x16"),
        ({"delay_low_s": 0.3}, "delay_low_s <= delay_high_s"),
        ({"height": 64, "width": 64, "crop": (60, 0, 10, 10)}, "does not lie inside 64x64"),
        ({"crop": (0, 0, 90, 90), "source_height": 80, "source_width": 90}, "inside 80x90"),
        ({"source_height": 80}, "are those of a crop"),
        ({"pos": (1.0,)}, "pos has 3 numbers"),
    ],
)
def test_impossible_cameras_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        CameraSpec(name="c", **settings)


def test_larger_frames_are_taken_and_averaged_down():
    whole, small = (
        make_env("arm/reach", (CameraSpec().named("front", size, source_size=64),))
        for size in (64, 32)
    )
    frames = [env.reset(seed=3)[0]["image/front"].astype(float) for env in (whole, small)]
    blocks = frames[0].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(frames[1], blocks, atol=0.51)
    field = small.interface.cameras[0]
    assert (field.height, field.source_size, field.crop) == (32, (64, 64), (0, 0, 64, 64))
    assert whole.interface.cameras[0].crop == ()
    whole.close()
    small.close()


def test_a_crop_of_ones_own_stays():
    spec = CameraSpec(crop=(0, 0, 20, 20), source_height=40, source_width=40)
    assert spec.named("c", 16, source_size=64).source_size == (40, 40)

"""`robot-rl variation`: see what a simulation varies, and lay its camera over a real one."""

import argparse
import contextlib
import dataclasses
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robot_rl.build.compose import compose
from robot_rl.build.config import TrainConfig
from robot_rl.commands import variation_fit
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.frames import cut
from robot_rl.envs.registry import TaskConfig, camera_specs, open_env
from robot_rl.errors import ConfigError, RobotRLError, UnknownNameError
from robot_rl.training.run import StopSignals

_SMALLEST_CELL, _LARGEST = 128, 480  # pixels high
_WATCH_S, _FRAME_TIMEOUT_S = 0.5, 5.0


def run(arguments: argparse.Namespace) -> int:
    return {"grid": _grid, "overlay": _overlay, "fit": variation_fit.run}[arguments.action](
        arguments
    )


def _grid(arguments: argparse.Namespace) -> int:
    """The first picture of every episode."""
    from sim.variation.pictures import grid, write_png

    if min(arguments.rows, arguments.columns) < 1:
        raise ConfigError("--rows and --columns are at least 1.")
    config = compose(arguments.overrides)
    camera = _camera(config.task, arguments.camera)
    with contextlib.closing(open_env(config.task, config.render)) as env:
        seeds = range(config.seed, config.seed + arguments.rows * arguments.columns)
        frames = [env.reset(seed=seed)[0][f"image/{camera.name}"] for seed in seeds]
    times = max(1, -(-_SMALLEST_CELL // camera.height))
    larger = [np.repeat(np.repeat(frame, times, axis=0), times, axis=1) for frame in frames]
    write_png(arguments.out, grid(larger, arguments.columns))
    print(f"{len(frames)} episodes, camera {camera.name}: {arguments.out}")
    return 0


def _overlay(arguments: argparse.Namespace) -> int:
    """Once, or again and again while somebody moves the camera."""
    from sim.variation.pictures import overlay, write_png

    if not 0.0 <= arguments.share <= 1.0:
        raise ConfigError(f"--share is {arguments.share}; it lies in [0, 1].")
    config = compose(arguments.overrides)
    spec = _camera(config.task, arguments.camera)
    with _real_frames(arguments) as frames, StopSignals() as stop:
        real = _limited(next(frames))
        simulated = _simulated(config, spec, *real.shape[:2])
        while True:
            write_png(arguments.out, overlay(real, simulated, arguments.share))
            if not arguments.watch or stop():
                break
            time.sleep(_WATCH_S)
            real = _limited(next(frames))
    print(f"real, simulated, both: {arguments.out}")
    return 0


def _camera(task: TaskConfig, name: str) -> CameraSpec:
    """The one of this name, the first where there is none."""
    specs = {spec.name: spec for spec in camera_specs(task)}
    if not specs:
        raise ConfigError(f"{task.name} has no camera here.")
    if name and name not in specs:
        raise UnknownNameError("--camera", name, specs)
    return specs[name] if name else next(iter(specs.values()))


def _simulated(config: TrainConfig, spec: CameraSpec, height: int, width: int) -> np.ndarray:
    """The whole field of view of `spec`, in the size of the real picture."""
    whole = dataclasses.replace(
        spec, height=height, width=width, crop=(), source_height=0, source_width=0
    )
    task = dataclasses.replace(config.task, cameras={spec.name: whole}, state=False)
    with contextlib.closing(open_env(task, config.render)) as env:
        return env.reset(seed=config.seed)[0][f"image/{spec.name}"]


def _limited(frame: np.ndarray) -> np.ndarray:
    """Not higher than is looked at; even numbers of pixels."""
    height, width = frame.shape[:2]
    scale = min(1.0, _LARGEST / height)
    return cut(frame, (), round(height * scale), round(width * scale))


@contextlib.contextmanager
def _real_frames(arguments: argparse.Namespace) -> Iterator[Iterator[np.ndarray]]:
    """uint8 [H, W, 3] without end: a picture or a film's first frame, or a camera that runs."""
    if bool(arguments.picture) == bool(arguments.driver):
        raise ConfigError("the real picture comes from --picture FILE or from --driver NAME.")
    if arguments.picture:
        yield _still(Path(arguments.picture))
        return
    from hardware.drivers import CAMERAS, load_driver, settings_of

    camera = load_driver(CAMERAS, arguments.driver, settings_of(arguments.driver_settings))
    camera.connect()
    try:
        yield (camera.read(_FRAME_TIMEOUT_S).image for _ in itertools.count())
    finally:
        camera.disconnect()


def _still(path: Path) -> Iterator[np.ndarray]:
    import cv2

    video = cv2.VideoCapture(str(path))
    there, frame = video.read()
    video.release()
    if not there:
        raise RobotRLError(f"{path} cannot be read as a picture or a film.")
    return itertools.repeat(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))

"""The simulated robot as a driver: an arm that brings its cameras and its scene along."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from hardware.sim import SimulatedArm, SimulatedCamera, SimWorld
from robot_rl.config.schema import from_tree
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import TaskConfig
from robot_rl.types import Scene


class SimulatedRobot(SimulatedArm):
    """The arm of a `SimWorld`, which knows its cameras, resets its scene and judges it."""

    def __init__(self, world: SimWorld) -> None:
        super().__init__(world)
        self._world = world

    def camera(self, name: str) -> SimulatedCamera:
        return SimulatedCamera(self._world, name)

    def reset_scene(self, seed: int) -> None:
        self._world.reset(seed)

    def success(self) -> bool:
        newest = self._world.newest
        return newest is not None and newest.success

    def scene(self) -> Scene:
        with self._world.lock:
            return self._world.simulation.scene()


def open_arm(cameras: Mapping[str, Any] | None = None, **task: Any) -> SimulatedRobot:
    """The arm suite's arm in real time; its settings are those of `task`.

    Its cameras send whole frames, which are cropped as a real camera's are. Raises `ConfigError`
    or `UnknownNameError` for what is no setting of a task.
    """
    chosen: TaskConfig = from_tree(TaskConfig, {"cameras": cameras or {"front": {}}, **task})
    whole = {name: _uncropped(camera) for name, camera in chosen.cameras.items()}
    played = dataclasses.replace(chosen, cameras=whole, image_size=chosen.taken_size, source_size=0)
    return SimulatedRobot(SimWorld(played))


def _uncropped(camera: CameraSpec) -> CameraSpec:
    height, width = camera.source_size
    return dataclasses.replace(
        camera, height=height, width=width, crop=(), source_height=0, source_width=0
    )

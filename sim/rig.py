"""All the cameras of one simulated scene, drawn by one renderer."""

from functools import partial

import mujoco
import numpy as np

from robot_rl.envs.cameras import CameraSpec
from robot_rl.errors import UnknownNameError
from robot_rl.types import CameraField, Observation
from sim.cameras import SimCamera
from sim.renderer import Quality, Renderer

FILM_SIZE = 256


class CameraRig:
    """Renders `specs` in order. `film` names the camera that videos are shot with."""

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        specs: tuple[CameraSpec, ...],
        control_rate_hz: float,
        quality: Quality,
        film: str,
        hidden_geom_groups: tuple[int, ...] = (),
    ) -> None:
        for spec in specs:
            _place(model, spec)
        self._data = data
        size = max(FILM_SIZE, *(max(spec.source_size) for spec in specs), 0)
        self._renderer = Renderer(model, size, size, quality, hidden_geom_groups)
        self._film = camera_id(model, film)
        self.fields: tuple[CameraField, ...] = tuple(s.field(control_rate_hz) for s in specs)
        self._cameras = [
            SimCamera(spec, control_rate_hz, partial(self._draw, camera_id(model, spec.name), spec))
            for spec in specs
        ]

    def reset(self, rng: np.random.Generator) -> Observation:
        now_s = self._data.time
        return {f.key: c.reset(now_s, rng) for f, c in zip(self.fields, self._cameras, strict=True)}

    def read(self, rng: np.random.Generator) -> Observation:
        now_s = self._data.time
        return {f.key: c.read(now_s, rng) for f, c in zip(self.fields, self._cameras, strict=True)}

    def shoot(self) -> np.ndarray:
        """uint8 [FILM_SIZE, FILM_SIZE, 3] for videos."""
        return self._renderer.render(self._data, self._film, FILM_SIZE, FILM_SIZE, sky=True)

    def gl_renderer(self) -> str:
        return self._renderer.gl_renderer()

    def close(self) -> None:
        self._renderer.close()

    def _draw(self, camera: int, spec: CameraSpec) -> np.ndarray:
        return self._renderer.render(self._data, camera, *spec.source_size)


def camera_id(model: mujoco.MjModel, name: str) -> int:
    """Index of a camera by name, or by number as dm_control counts them."""
    if name.isdigit() and int(name) < model.ncam:
        return int(name)
    names = [model.camera(i).name or str(i) for i in range(model.ncam)]
    if name not in names:
        raise UnknownNameError("camera", name, names)
    return names.index(name)


def _place(model: mujoco.MjModel, spec: CameraSpec) -> None:
    index = camera_id(model, spec.name)
    if spec.pos:
        model.cam_pos[index] = spec.pos
    if spec.quat:
        model.cam_quat[index] = spec.quat
    if spec.fovy_deg:
        model.cam_fovy[index] = spec.fovy_deg

"""All the cameras of one simulated scene, drawn by one renderer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import mujoco
import numpy as np

from robot_rl.envs.calibration import CameraCalibration
from robot_rl.envs.cameras import CameraSpec
from robot_rl.errors import UnknownNameError
from robot_rl.types import CameraField, Observation
from sim.cameras import SimCamera
from sim.renderer import Quality, Renderer

FILM_SIZE = 256


@dataclass(frozen=True)
class Optics:
    """How the pictures of one episode differ from those of a plain camera.

    `behind(time_s, height, width)` is what stands where nothing is drawn; `lenses` bend the frames
    of a camera, by its name.
    """

    behind: Callable[[float, int, int], np.ndarray] | None = None
    lenses: Mapping[str, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)
    delay_s: float = 0.0
    noise_std: float = 0.0


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
        self._optics = Optics()
        self._source_sizes = {spec.name: spec.source_size for spec in specs}
        self.ids = {spec.name: camera_id(model, spec.name) for spec in specs}
        self.fields: tuple[CameraField, ...] = tuple(s.field(control_rate_hz) for s in specs)
        self._cameras = [
            SimCamera(spec, control_rate_hz, partial(self._draw, self.ids[spec.name], spec))
            for spec in specs
        ]

    def reset(self, rng: np.random.Generator, optics: Optics | None = None) -> Observation:
        """The first pictures of an episode, all of which are taken through `optics`."""
        self._optics = optics = optics or Optics()
        now_s, more = self._data.time, (optics.delay_s, optics.noise_std)
        cameras = zip(self.fields, self._cameras, strict=True)
        return {field.key: camera.reset(now_s, rng, *more) for field, camera in cameras}

    def read(self, rng: np.random.Generator) -> Observation:
        now_s = self._data.time
        return {f.key: c.read(now_s, rng) for f, c in zip(self.fields, self._cameras, strict=True)}

    def shoot(self) -> np.ndarray:
        """uint8 [FILM_SIZE, FILM_SIZE, 3] for videos."""
        return self._render(self._film, FILM_SIZE, FILM_SIZE, sky=True)

    def gl_renderer(self) -> str:
        return self._renderer.gl_renderer()

    def close(self) -> None:
        self._renderer.close()

    def source_size(self, name: str) -> tuple[int, int]:
        """(height, width) of the frames that a camera takes."""
        return self._source_sizes[name]

    def upload_texture(self, texture: int) -> None:
        """The model has changed it."""
        self._renderer.upload_texture(texture)

    def _draw(self, camera: int, spec: CameraSpec) -> np.ndarray:
        frame = self._render(camera, *spec.source_size)
        bend = self._optics.lenses.get(spec.name)
        return frame if bend is None else bend(frame)

    def _render(self, camera: int, height: int, width: int, sky: bool = False) -> np.ndarray:
        behind = self._optics.behind
        picture = None if behind is None else behind(self._data.time, height, width)
        return self._renderer.render(self._data, camera, height, width, sky, picture)


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
    if spec.calibration:
        _place_as_measured(model, index, CameraCalibration.load(Path(spec.calibration)))


def _place_as_measured(model: mujoco.MjModel, index: int, measured: CameraCalibration) -> None:
    """Where a calibration says that a real one is."""
    model.cam_fovy[index] = measured.fovy_deg
    if measured.mount == "base":
        model.cam_bodyid[index] = 0
        model.cam_pos[index], model.cam_quat[index] = measured.pos_m, measured.drawn_quat
    elif measured.mount == "tool":
        tcp = model.site("tcp")
        model.cam_bodyid[index] = model.site_bodyid[tcp.id]
        tool = np.array(tcp.pos), np.array(tcp.quat)
        seat = np.array(measured.pos_m), np.array(measured.drawn_quat)
        mujoco.mju_mulPose(model.cam_pos[index], model.cam_quat[index], *tool, *seat)

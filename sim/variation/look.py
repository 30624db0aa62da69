"""Colours, lamps and camera poses of a model. MuJoCo reads them anew for every frame."""

from collections.abc import Mapping

import mujoco
import numpy as np

from robot_rl.envs.variation import Range, VariationConfig
from sim.variation.draw import Draw

_COLOURED = ("geom_rgba", "mat_rgba", "site_rgba")
_LAMPS = ("light_ambient", "light_diffuse", "light_specular")
_HEADLIGHT = ("ambient", "diffuse", "specular")


class Look:
    """Sets what `config` varies from the model as it was built. `cameras` are indices by name."""

    def __init__(
        self, config: VariationConfig, model: mujoco.MjModel, cameras: Mapping[str, int]
    ) -> None:
        self._config, self._model, self._cameras = config, model, cameras
        names = (*_COLOURED, *_LAMPS, "light_dir", "cam_pos", "cam_quat", "cam_fovy")
        self._built = {name: getattr(model, name).copy() for name in names}
        self._headlight = {name: getattr(model.vis.headlight, name).copy() for name in _HEADLIGHT}

    def apply(self, draw: Draw) -> None:
        self._colour(draw)
        self._light(draw)
        for name, values in draw.cameras.items():
            self._place(self._cameras[name], values)

    def _colour(self, draw: Draw) -> None:
        rng, (low, high) = draw.generator("colour"), self._config.colour
        for name in _COLOURED:
            built = self._built[name]
            offset = rng.uniform(low, high, (len(built), 3))
            getattr(self._model, name)[:, :3] = np.clip(built[:, :3] + offset, 0.0, 1.0)

    def _light(self, draw: Draw) -> None:
        factor = draw.scalars.get("light", 1.0)
        for name in _LAMPS:
            getattr(self._model, name)[:] = factor * self._built[name]
        for name, built in self._headlight.items():
            getattr(self._model.vis.headlight, name)[:] = factor * built
        rng = draw.generator("light_tilt_rad")
        tilted = _tilted(self._built["light_dir"], rng, self._config.light_tilt_rad)
        self._model.light_dir[:] = tilted

    def _place(self, camera: int, values: Mapping[str, np.ndarray]) -> None:
        model, turn = self._model, np.zeros(4)
        mujoco.mju_euler2Quat(turn, values["camera_rot_rad"], "xyz")
        mujoco.mju_mulQuat(model.cam_quat[camera], self._built["cam_quat"][camera], turn)
        model.cam_pos[camera] = self._built["cam_pos"][camera] + values["camera_pos_m"]
        model.cam_fovy[camera] = self._built["cam_fovy"][camera] + values["camera_fovy_deg"][0]


def _tilted(directions: np.ndarray, rng: np.random.Generator, tilt_rad: Range) -> np.ndarray:
    """`directions` [L, 3], each turned about x and about y."""
    out, (low, high) = np.empty_like(directions), tilt_rad
    for i, direction in enumerate(directions):
        turn = np.zeros(4)
        mujoco.mju_euler2Quat(turn, np.array([*rng.uniform(low, high, 2), 0.0]), "xyz")
        mujoco.mju_rotVecQuat(out[i], direction, turn)
    return out

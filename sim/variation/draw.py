"""One draw of everything that a `VariationConfig` gives ranges for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_rl.envs.variation import VariationConfig

_PER_CAMERA = {
    "camera_pos_m": 3,
    "camera_rot_rad": 3,
    "camera_fovy_deg": 1,
    "camera_distortion": 1,
}


@dataclass(frozen=True)
class Draw:
    """Of one episode. `scalars` are one number each, `cameras` has arrays by camera and name.

    What is drawn for every element of a model (colours, tilts, patterns) comes from `generator`.
    """

    seed: int
    scalars: dict[str, float]
    cameras: dict[str, dict[str, np.ndarray]]

    def generator(self, purpose: str) -> np.random.Generator:
        """The same numbers for the same purpose, whatever else is drawn."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def record(self) -> dict[str, float]:
        """Flat, for logs and files; `variation_seed` gives the elements anew."""
        flat = {"variation_seed": float(self.seed), **self.scalars}
        for camera, values in self.cameras.items():
            for name, array in values.items():
                axes = "xyz" if array.size > 1 else ("",)
                for axis, value in zip(axes, array.tolist(), strict=True):
                    flat[f"{name}/{camera}{'/' + axis if axis else ''}"] = value
        return flat


def draw(config: VariationConfig, seed: int, cameras: Sequence[str]) -> Draw:
    """Uniform in every range, each from a generator of its own: one that widens moves no other."""
    once = [n for n in config.varied if n not in (*_PER_CAMERA, "colour", "light_tilt_rad")]
    scalars = {name: float(_uniform(config, seed, name, "", 1)[0]) for name in once}
    of_cameras = {
        camera: {
            name: _uniform(config, seed, name, camera, size) for name, size in _PER_CAMERA.items()
        }
        for camera in cameras
        if set(_PER_CAMERA) & set(config.varied)
    }
    return Draw(seed, scalars, of_cameras)


def _uniform(config: VariationConfig, seed: int, name: str, camera: str, size: int) -> np.ndarray:
    rng = np.random.default_rng([seed, *f"{name}/{camera}".encode()])
    low, high = getattr(config, name)
    return rng.uniform(low, high, size)

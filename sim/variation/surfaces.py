"""What a model's large surfaces carry, and which of them moving pictures hide."""

import mujoco
import numpy as np

from robot_rl.envs.variation import Covers
from sim.variation.draw import Draw

_LARGE_M = 0.2
# A texture that no material has as built; scenes that can be varied bring one of this name.
SPARE_TEXTURE = "pattern"
_RGB = mujoco.mjtTextureRole.mjTEXROLE_RGB


def hide(model: mujoco.MjModel, covers: Covers) -> None:
    """Make transparent what the background stands in for. Contacts stay as they are."""
    planes = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    fixed = model.geom_bodyid == 0
    hidden = {
        "nothing": np.zeros_like(planes),
        "sky": np.zeros_like(planes),
        "ground": planes,
        "room": planes | (fixed & (model.geom_rbound > _LARGE_M)),
    }[covers]
    for geom in np.flatnonzero(hidden):
        # A material would bring its own colour.
        model.geom_matid[geom] = -1
        model.geom_rgba[geom, 3] = 0.0


class Patterns:
    """A pattern of its own in every episode, on the plain materials of what is fixed."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self.texture = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXTURE, SPARE_TEXTURE)
        if self.texture < 0:
            return
        fixed = (model.geom_bodyid == 0) & (model.geom_matid >= 0)
        materials = np.unique(model.geom_matid[fixed])
        bare = materials[model.mat_texid[materials, _RGB] < 0]
        model.mat_texid[bare, _RGB] = self.texture

    def apply(self, draw: Draw) -> bool:
        """Whether there is a texture to upload anew."""
        contrast = draw.scalars.get("texture", 0.0)
        if self.texture < 0 or not contrast:
            return False
        model, texture = self._model, self.texture
        height, width = int(model.tex_height[texture]), int(model.tex_width[texture])
        shade = _pattern(draw.generator("texture"), height, width)
        start = int(model.tex_adr[texture])
        grey = 255.0 * (1.0 - contrast * shade)
        model.tex_data[start : start + 3 * height * width] = np.repeat(grey, 3).astype(np.uint8)
        return True


def _pattern(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """[H * W] in [0, 1]: stripes, squares or grain."""
    y, x = np.mgrid[0:height, 0:width]
    count, turn = rng.integers(3, 12), rng.uniform(0, np.pi)
    along = (x * np.cos(turn) / width + y * np.sin(turn) / height) * count
    across = (y * np.cos(turn) / height - x * np.sin(turn) / width) * count
    kinds = (
        0.5 + 0.5 * np.sin(2 * np.pi * along),
        (np.floor(along) + np.floor(across)) % 2,
        rng.uniform(0, 1, (height, width)),
    )
    return np.ravel(kinds[rng.integers(len(kinds))])

"""One renderer for every MuJoCo model.

`lean` drops what a policy does not need and a software rasteriser pays dearly for: shadows,
reflections, multisampling, fine tessellation and fine meshes. `default` is the look of published
results.
"""

import atexit
import weakref
from typing import Any, Literal

import cv2
import mujoco
import numpy as np

from robot_rl.errors import ConfigError, UnknownNameError
from sim.gl import log_gl_renderer
from sim.meshes import with_thin_meshes

Quality = Literal["lean", "default"]
_LEAN_PLANE_EXTENTS = 30.0
_LEAN_OFF = (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION)
_NOTHING_DRAWN = 1.0 - 1e-6  # the depth that a cleared buffer has
_logged: set[str] = set()
_open: "weakref.WeakSet[Renderer]" = weakref.WeakSet()


def make_lean(model: mujoco.MjModel) -> None:
    """Set what MuJoCo reads when it creates a GL context. Visual only: physics is untouched."""
    quality = model.vis.quality
    quality.offsamples = 0
    quality.shadowsize = 0
    quality.numslices = 12
    quality.numstacks = 6
    quality.numquads = 1
    planes = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    half_m = _LEAN_PLANE_EXTENTS * model.stat.extent
    # An infinite plane (size 0) or a small grid spacing (the third size) becomes a huge mesh.
    # For collisions every plane is infinite, whatever its size.
    for index in np.flatnonzero(planes):
        size = model.geom_size[index]
        size[:2] = np.where(size[:2] == 0, half_m, size[:2])
        size[2] = size[:2].max()


class Renderer:
    """Draws `model` from any of its cameras into uint8 [H, W, 3], up to `height` x `width`."""

    def __init__(
        self,
        model: mujoco.MjModel,
        height: int,
        width: int,
        quality: Quality = "lean",
        hidden_geom_groups: tuple[int, ...] = (),
    ) -> None:
        if quality not in ("lean", "default"):
            raise UnknownNameError("render.quality", quality, ("lean", "default"))
        if quality == "lean":
            make_lean(model)
        model.vis.global_.offheight = height
        model.vis.global_.offwidth = width
        self._lean = quality == "lean"
        self._model = model
        self._gl: Any = _gl_context(width, height)
        self._gl.make_current()
        self._scene = mujoco.MjvScene(self._model, maxgeom=2000)
        self._option = mujoco.MjvOption()
        for group in hidden_geom_groups:
            self._option.geomgroup[group] = False
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        # What is drawn is uploaded here, once; where and in which colour comes from the live model.
        drawn = with_thin_meshes(model) if self._lean and model.nmesh else model
        self._context = mujoco.MjrContext(drawn, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._size = (height, width)
        _free_at_exit(self)
        _log_once(self.gl_renderer())

    def render(
        self,
        data: mujoco.MjData,
        camera: int,
        height: int,
        width: int,
        sky: bool = False,
        behind: np.ndarray | None = None,
    ) -> np.ndarray:
        """uint8 [height, width, 3] from camera index `camera`; lean frames draw `sky` on demand.

        Where nothing is drawn the picture is `behind`, of the same shape.
        """
        if height > self._size[0] or width > self._size[1]:
            raise ConfigError(
                f"frame {height}x{width} is larger than the render buffer "
                f"{self._size[0]}x{self._size[1]}; create the Renderer with the larger size."
            )
        # A context freed elsewhere in the process leaves none current, and MuJoCo would then
        # silently return stale pixels.
        self._gl.make_current()
        self._camera.fixedcamid = camera
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        if self._lean:
            for flag in _LEAN_OFF:  # mjv_updateScene resets them
                self._scene.flags[flag] = False
            self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = sky
        if behind is not None:
            self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = False
        viewport = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(viewport, self._scene, self._context)
        pixels = np.empty((height, width, 3), np.uint8)
        depth = None if behind is None else np.empty((height, width), np.float32)
        mujoco.mjr_readPixels(pixels, depth, viewport, self._context)
        if behind is not None and depth is not None:
            empty = (depth >= _NOTHING_DRAWN).view(np.uint8)
            cv2.copyTo(np.ascontiguousarray(behind[::-1]), empty, pixels)
        return pixels[::-1]

    def upload_texture(self, texture: int) -> None:
        """What `tex_data` of the model has for it now."""
        self._gl.make_current()
        mujoco.mjr_uploadTexture(self._model, self._context, texture)

    def gl_renderer(self) -> str:
        """The GL_RENDERER string of this context."""
        from OpenGL import GL

        self._gl.make_current()
        name: Any = GL.glGetString(GL.GL_RENDERER)
        return name.decode()

    def close(self) -> None:
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._gl = None


def _free_at_exit(renderer: Renderer) -> None:
    """Close forgotten renderers before EGL is torn down: exit handlers run newest first."""
    if not _open:
        atexit.register(lambda: [left.close() for left in list(_open)])
    _open.add(renderer)


def _gl_context(width: int, height: int) -> Any:
    from mujoco.gl_context import GLContext

    return GLContext(width, height)


def _log_once(name: str) -> None:
    if name not in _logged:
        _logged.add(name)
        log_gl_renderer(name)

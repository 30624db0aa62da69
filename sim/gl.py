"""Choose the headless OpenGL backend before anything imports mujoco."""

import ctypes
import ctypes.util
import logging
import os
from pathlib import Path

from robot_rl.errors import RenderError

log = logging.getLogger(__name__)

REMEDY = "apt-get install -y libegl1 libgl1-mesa-dri libgles2 libosmesa6"
_BACKENDS = ("egl", "osmesa", "glfw")


def select_backend() -> str:
    """Set and return MUJOCO_GL: what the user chose, else EGL, else OSMesa.

    Raises `RenderError` when neither library is there.
    """
    # One rasteriser thread costs the least CPU per frame when an environment owns a core.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    chosen = os.environ.get("MUJOCO_GL", "").lower()
    if chosen and chosen not in _BACKENDS:
        raise RenderError(f"MUJOCO_GL={chosen} is not one of {', '.join(_BACKENDS)}.")
    backend = chosen or ("egl" if egl_devices() else "osmesa" if _osmesa_library() else "")
    if not backend:
        raise RenderError(f"neither EGL nor OSMesa can render here. Install one: {REMEDY}")
    os.environ["MUJOCO_GL"] = backend
    if backend != "glfw":
        os.environ.setdefault("PYOPENGL_PLATFORM", backend)
    return backend


def egl_devices() -> int:
    """Number of EGL devices (software ones included), 0 when libEGL is missing or too old."""
    library = ctypes.util.find_library("EGL")
    if library is None:
        return 0
    egl = ctypes.CDLL(library)
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    if not address:
        return 0
    signature = ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)
    )
    count = ctypes.c_int(0)
    return count.value if signature(address)(0, None, ctypes.byref(count)) else 0


def _osmesa_library() -> str | None:
    return ctypes.util.find_library("OSMesa")


def gpu_present() -> bool:
    """Whether the machine has an NVIDIA device node or a DRM render node."""
    return bool(list(Path("/dev").glob("nvidia[0-9]*")) or list(Path("/dev/dri").glob("renderD*")))


def log_gl_renderer(name: str) -> None:
    """Log the GL renderer string; warn where a GPU is idle because Mesa draws in software."""
    log.info("OpenGL renderer: %s", name)
    if gpu_present() and any(word in name.lower() for word in ("llvmpipe", "softpipe", "swrast")):
        log.warning(
            "a GPU is present but '%s' renders in software: install the driver's EGL library "
            "(NVIDIA: libnvidia-gl) and check that MUJOCO_EGL_DEVICE_ID names the GPU",
            name,
        )

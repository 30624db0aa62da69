"""The renderer: lean and default, and two alive at once."""

import os
import subprocess
import sys

import numpy as np
import pytest

from robot_rl.envs.cameras import CameraSpec
from robot_rl.errors import ConfigError, RenderError, UnknownNameError
from sim import gl
from sim.gl import select_backend
from sim.registry import make_env
from sim.renderer import Renderer
from sim.rig import camera_id
from sim.suites.arm import make

FRONT = (CameraSpec(name="front", height=64, width=64),)


def test_two_renderers_alive_at_once_give_changing_different_frames():
    rng = np.random.default_rng(0)
    simulations = [make("reach"), make("lift")]
    renderers = [Renderer(s.model, 64, 64) for s in simulations]
    seen: list[list[np.ndarray]] = [[], []]
    for _ in range(3):
        for i, (simulation, renderer) in enumerate(zip(simulations, renderers, strict=True)):
            simulation.reset(rng)
            camera = camera_id(simulation.model, "front")
            seen[i].append(renderer.render(simulation.data, camera, 64, 64).copy())
    for frames in seen:
        assert all(frame.mean() > 20 for frame in frames)
        assert not np.array_equal(frames[0], frames[1])
        assert not np.array_equal(frames[1], frames[2])
    assert not np.array_equal(seen[0][0], seen[1][0])


def test_closing_one_renderer_leaves_the_other_drawing():
    rng = np.random.default_rng(0)
    simulation = make("reach")
    simulation.reset(rng)
    kept, closed = Renderer(simulation.model, 64, 64), Renderer(simulation.model, 64, 64)
    camera = camera_id(simulation.model, "front")
    before = kept.render(simulation.data, camera, 64, 64).copy()
    closed.close()
    simulation.reset(rng)
    after = kept.render(simulation.data, camera, 64, 64)
    assert after.mean() > 20
    assert not np.array_equal(before, after)


def test_lean_changes_the_look_but_not_the_scene():
    simulation = make("lift")
    simulation.reset(np.random.default_rng(0))
    camera = camera_id(simulation.model, "front")
    frames = []
    for quality in ("default", "lean"):
        renderer = Renderer(simulation.model, 64, 64, quality)
        frames.append(renderer.render(simulation.data, camera, 64, 64).astype(float))
        renderer.close()
    difference = np.abs(frames[0] - frames[1]).mean()
    assert 0.5 < difference < 40


def test_lean_leaves_physics_alone():
    states = []
    for quality in ("lean", "default"):
        env = make_env("arm/push", FRONT, quality=quality)
        env.reset(seed=3)
        for _ in range(5):
            env.step(np.array([0.3, -0.5, -1.0], np.float32))
        states.append(env.simulation.data.qpos.copy())
        env.close()
    np.testing.assert_array_equal(*states)


def test_what_cannot_be_drawn_is_refused():
    simulation = make("reach")
    renderer = Renderer(simulation.model, 64, 64)
    with pytest.raises(ConfigError, match="128x128 is larger"):
        renderer.render(simulation.data, 0, 128, 128)
    with pytest.raises(UnknownNameError, match=r"camera 'frnt'.*Choose one of: front"):
        camera_id(simulation.model, "frnt")
    with pytest.raises(UnknownNameError, match=r"render\.quality"):
        Renderer(simulation.model, 64, 64, "fancy")


def test_an_unknown_backend_is_refused(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    with pytest.raises(RenderError, match="vulkan is not one of egl, osmesa, glfw"):
        select_backend()


def test_software_rendering_beside_a_gpu_is_warned_about(monkeypatch, caplog):
    caplog.set_level("INFO", logger="sim")
    monkeypatch.setattr(gl, "gpu_present", lambda: True)
    gl.log_gl_renderer("llvmpipe (LLVM 15.0.6, 256 bits)")
    assert "MUJOCO_EGL_DEVICE_ID" in caplog.text
    caplog.clear()
    gl.log_gl_renderer("NVIDIA H100/PCIe/SSE2")
    assert [record.levelname for record in caplog.records] == ["INFO"]


@pytest.mark.parametrize("backend", ["egl", "osmesa"])
def test_both_backends_draw_the_scene(backend, repository):
    script = (
        "import numpy as np; from sim.registry import make_env;"
        "from robot_rl.envs.cameras import CameraSpec;"
        "env = make_env('arm/reach', (CameraSpec(name='front', height=64, width=64),));"
        "frame = env.reset(seed=0)[0]['image/front']; print(frame.mean(), frame.std())"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=repository,
        capture_output=True,
        text=True,
        env={**os.environ, "MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend},
    )
    mean, std = map(float, run.stdout.split())
    assert mean > 60
    assert std > 20

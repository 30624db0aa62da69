"""Lean against default rendering, and environment steps per second."""

import time

import numpy as np

from benchmarks.timing import Row, median_s
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import DEFAULT_ARM
from sim.env import SimEnv
from sim.registry import make_env

TITLE = "rendering"


def run() -> list[Row]:
    rows = []
    for task, camera, size in (
        ("dmc/walker_walk", "0", 84),
        ("arm/reach", "front", 64),
        ("arm/push", "front", 64),
        ("arm/lift", "front", 64),
    ):
        lean, default = (
            median_s(_frame(task, camera, size, quality)) for quality in ("lean", "default")
        )
        rows.append(Row(f"{task}, one {size}x{size} frame, lean", 1e3 * lean, "ms"))
        rows.append(Row(f"{task}, default / lean", default / lean, "times", ">= 20"))
    rows.append(Row("arm/reach, one 64x64 camera", _steps_per_s("arm/reach"), "steps/s", ">= 2000"))
    for arm in ("panda", "so101", "ur5e"):
        rate = _steps_per_s("arm/lift", arm=arm)
        rows.append(Row(f"arm/lift, {arm}, one 64x64 camera", rate, "steps/s", ">= 200"))
    return rows + _robosuite()


def _frame(task: str, camera: str, size: int, quality: str):  # noqa: ANN202 (a closure)
    spec = CameraSpec(name=camera, height=size, width=size)
    env = make_env(task, (spec,), quality=quality)  # type: ignore[arg-type]
    env.reset(seed=0)
    return env.look


def _steps_per_s(
    task: str,
    camera: str = "front",
    size: int = 64,
    seconds: float = 3.0,
    arm: str = DEFAULT_ARM,
) -> float:
    env = make_env(task, (CameraSpec(name=camera, height=size, width=size),), arm=arm)
    rates = [_run_env(env, seconds) for _ in range(3)]
    env.close()
    return sorted(rates)[1]


def _run_env(env: SimEnv, seconds: float) -> float:
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (256, env.interface.action_size)).astype(np.float32)
    env.reset(seed=0)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        _, _, terminated, truncated, _ = env.step(actions[steps % 256])
        steps += 1
        if terminated or truncated:
            env.reset()
    return steps / (time.perf_counter() - start)


def _robosuite() -> list[Row]:
    """robosuite's own camera observations against ours, whole environment steps."""
    import robosuite

    own = robosuite.make(
        "Lift",
        robots="Panda",
        has_renderer=False,
        has_offscreen_renderer=True,
        use_camera_obs=True,
        camera_names="agentview",
        camera_heights=84,
        camera_widths=84,
        control_freq=20,
        ignore_done=True,
        hard_reset=False,
        seed=0,
    )
    own.reset()
    action = np.zeros(own.action_dim)
    theirs = 1.0 / median_s(lambda: own.step(action), 4.0)
    own.close()
    ours = _steps_per_s("robosuite/Lift", "agentview", 84)
    return [
        Row("robosuite/Lift 84x84 as shipped", theirs, "steps/s"),
        Row("robosuite/Lift 84x84 here", ours, "steps/s"),
        Row("robosuite/Lift, here / as shipped", ours / theirs, "times", ">= 3"),
    ]

"""What varied looks cost a frame of 84x84: `python -m benchmarks.variation`."""

import time
from collections.abc import Callable

import numpy as np

from robot_rl.build.compose import compose
from robot_rl.envs.registry import open_env
from sim.env import SimEnv

_FRAMES, _EPISODES = 400, 20
_PRESETS = ("none", "mild", "strong", "distracting")


def measure(preset: str) -> tuple[float, float]:
    """(ms a frame of arm/lift's front camera, ms a reset), medians."""
    settings = ("task=arm/lift", "task.image_size=84", "~task.cameras.wrist")
    config = compose([*settings, f"variation={preset}"])
    env: SimEnv = open_env(config.task, config.render)
    resets = [_ms(lambda seed=seed: env.reset(seed=seed)) for seed in range(_EPISODES)]
    frames = [_ms(lambda: _next_frame(env)) for _ in range(_FRAMES)]
    env.close()
    return float(np.median(frames)), float(np.median(resets))


def _next_frame(env: SimEnv) -> None:
    """Of a scene in which nothing moves: physics is not what is measured."""
    env.simulation.data.time += 1.0 / env.interface.control_rate_hz
    env.look()


def _ms(act: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    act()
    return 1e3 * (time.perf_counter() - start_s)


def main() -> None:
    print("variation      ms/frame  ms/reset")
    for preset in _PRESETS:
        frame_ms, reset_ms = measure(preset)
        print(f"{preset:14s} {frame_ms:8.2f} {reset_ms:9.2f}")


if __name__ == "__main__":
    main()

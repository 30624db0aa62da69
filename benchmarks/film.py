"""Film strips for the README.

`python -m benchmarks.film` films the scripted experts into `docs/media/`, every task with the
primitive arm and `arm/lift` with every arm;
`python -m benchmarks.film OUT.png RUN_DIR...` the policies that runs have learned.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from robot_rl.analysis.video import write_mp4
from robot_rl.commands.eval import evaluate_folder, policy_folder
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import DEFAULT_ARM
from sim.arms import ARM_MODELS
from sim.registry import make_env
from sim.tasks import ARM_TASKS

MEDIA = Path(__file__).parent.parent / "docs" / "media"
_EPISODES, _STRIP_FRAMES = 3, 5
Film = tuple[list[np.ndarray], float]


def expert(task: str, arm: str = DEFAULT_ARM) -> Film:
    """Frames of the expert's first episodes, and their rate."""
    camera = CameraSpec(name="front", height=64, width=64)
    env = make_env(f"arm/{task}", (camera,), quality="default", arm=arm)
    frames = []
    for seed in range(_EPISODES):
        env.reset(seed=seed)
        over = False
        while not over:
            frames.append(env.render())
            action = env.expert_action()
            assert action is not None
            _, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
    env.close()
    return frames, env.interface.control_rate_hz


def learned(run_dir: str) -> Film:
    result, rate_hz = evaluate_folder(policy_folder(Path(run_dir)), _EPISODES, film=True)
    return result.film, rate_hz


def strip(film: Film) -> np.ndarray:
    """The first episode in five frames side by side; its end, where little moves, is left out."""
    first = film[0][: len(film[0]) // _EPISODES]
    chosen = np.linspace(0, 0.6 * len(first), _STRIP_FRAMES).astype(int)
    return np.concatenate([first[i] for i in chosen], axis=1)


def save_strips(path: Path, make: Callable[[str], Film], names: list[str]) -> list[Film]:
    import cv2

    films = [make(name) for name in names]
    cv2.imwrite(str(path), np.concatenate([strip(film) for film in films])[:, :, ::-1])
    return films


def main() -> None:
    if len(sys.argv) > 2:
        save_strips(Path(sys.argv[1]), learned, sys.argv[2:])
        return
    for name, film in zip(
        ARM_TASKS, save_strips(MEDIA / "experts.png", expert, list(ARM_TASKS)), strict=True
    ):
        write_mp4(MEDIA / f"expert-{name}.mp4", *film)
    save_strips(MEDIA / "arms.png", partial(expert, "lift"), ARM_MODELS.names())


if __name__ == "__main__":
    main()

"""Film strips for the README.

`python -m benchmarks.film` films the scripted experts into `docs/media/`, every task with the
primitive arm and `arm/lift` with every arm; `python -m benchmarks.film suites` tasks of the other
suites, with their experts where they have any, and otherwise as they start;
`python -m benchmarks.film OUT.png RUN_DIR...` the policies that runs have learned.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from robot_rl.analysis.video import write_mp4
from robot_rl.commands.eval import evaluate_folder, policy_folder
from robot_rl.envs.registry import DEFAULT_ARM
from sim.arms import ARM_MODELS
from sim.env import SimEnv
from sim.registry import make_env
from sim.tasks import ARM_TASKS

MEDIA = Path(__file__).parent.parent / "docs" / "media"
_EPISODES, _STRIP_FRAMES = 3, 5
_SHOWN_STEPS = 120
_SUITES = {
    "metaworld": ("door-open-v3", "coffee-push-v3", "sweep-into-v3", "assembly-v3"),
    "adroit": ("door", "hammer", "pen", "relocate"),
    "gymhil": ("PandaPickCube",),
    "ogbench": tuple(
        f"visual-{scene}-singletask-task2-v0" for scene in ("cube-single", "cube-double")
    ),
}
Film = tuple[list[np.ndarray], float]


def expert(task: str, arm: str = DEFAULT_ARM) -> Film:
    """Frames of the expert's first episodes, and their rate."""
    env = make_env(f"arm/{task}", (), quality="default", arm=arm)
    frames = [frame for seed in range(_EPISODES) for frame in _episode(env, seed)]
    env.close()
    return frames, env.interface.control_rate_hz


def _episode(env: SimEnv, seed: int) -> list[np.ndarray]:
    """To its end, or the first frame alone where nobody knows what to do."""
    env.reset(seed=seed)
    frames, over = [env.render()], False
    while not over and (action := env.expert_action()) is not None:
        _, _, terminated, truncated, _ = env.step(action)
        frames.append(env.render())
        over = terminated or truncated
    return frames


def save_suites() -> None:
    """One picture a suite: a row of frames for each task with an expert, else one frame each."""
    import cv2

    for suite, tasks in _SUITES.items():
        rows = []
        for task in tasks:
            env = make_env(f"{suite}/{task}", ())
            frames = _episode(env, seed=0)[:_SHOWN_STEPS]
            chosen = np.linspace(0, len(frames) - 1, _STRIP_FRAMES if len(frames) > 1 else 1)
            rows.append(np.concatenate([frames[round(i)] for i in chosen], axis=1))
            env.close()
        along = 1 if rows[0].shape[0] == rows[0].shape[1] else 0
        cv2.imwrite(str(MEDIA / f"{suite}.png"), np.concatenate(rows, axis=along)[:, :, ::-1])


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
    if sys.argv[1:] == ["suites"]:
        save_suites()
        return
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

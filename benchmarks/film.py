"""Film the scripted experts: `python -m benchmarks.film` writes `docs/media/`."""

from pathlib import Path

import numpy as np

from robot_rl.analysis.video import write_mp4
from robot_rl.cameras import CameraSpec
from sim.registry import make_env
from sim.tasks import ARM_TASKS

MEDIA = Path(__file__).parent.parent / "docs" / "media"
_EPISODES, _STRIP_FRAMES = 3, 5


def film(task: str, episodes: int) -> tuple[list[np.ndarray], float]:
    """Frames of the expert's first episodes, and their rate."""
    env = make_env(
        f"arm/{task}", (CameraSpec(name="front", height=64, width=64),), quality="default"
    )
    frames = []
    for seed in range(episodes):
        env.reset(seed=seed)
        over = False
        while not over:
            frames.append(env.render())
            action = env.expert_action()
            assert action is not None
            _, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
    rate_hz = env.interface.control_rate_hz
    env.close()
    return frames, rate_hz


def main() -> None:
    import cv2

    strips = []
    for task in ARM_TASKS:
        frames, rate_hz = film(task, _EPISODES)
        write_mp4(MEDIA / f"expert-{task}.mp4", frames, rate_hz)
        first = frames[: len(frames) // _EPISODES]
        chosen = np.linspace(0, len(first) * 0.6, _STRIP_FRAMES).astype(int)
        strips.append(np.concatenate([first[i] for i in chosen], axis=1))
    cv2.imwrite(str(MEDIA / "experts.png"), np.concatenate(strips)[:, :, ::-1])


if __name__ == "__main__":
    main()

"""An episode as a video: all cameras side by side, and who commanded."""

import cv2
import numpy as np

from robot_rl.episodes.folder import StoredEpisode
from robot_rl.replay.storage import Step
from robot_rl.types import IMAGE_PREFIX, Observation

_SIZE, _BANNER = 256, 32
# RGB, as on the operator's page.
_COLOURS = {
    "policy": (59, 130, 246),
    "human": (245, 165, 36),
    "expert": (47, 191, 113),
    "random": (150, 90, 200),
    "nobody": (120, 130, 140),
}


def film(episode: StoredEpisode) -> list[np.ndarray]:
    """Frames uint8 [288, 256 x cameras, 3]; a frame shows the action that was chosen in it."""
    pictures = [_picture(obs) for obs in episode.obs[:-1]]
    return [
        np.vstack((_banner(step, i, picture.shape[1]), picture))
        for i, (step, picture) in enumerate(zip(episode.steps, pictures, strict=True))
    ]


def _picture(obs: Observation) -> np.ndarray:
    frames = [image for key, image in obs.items() if key.startswith(IMAGE_PREFIX)]
    scaled = [cv2.resize(f, (_SIZE, _SIZE), interpolation=cv2.INTER_NEAREST) for f in frames]
    return np.hstack(scaled) if scaled else np.zeros((_SIZE, _SIZE, 3), np.uint8)


def _banner(step: Step, number: int, width: int) -> np.ndarray:
    ending = "  success" if step.terminated and step.reward > 0 else ""
    return banner(f"{step.source}{ending}", number, width, _COLOURS[step.source])


def banner(text: str, number: int, width: int, colour: tuple[int, int, int]) -> np.ndarray:
    """A strip uint8 [32, width, 3] that says what is shown and which frame of it."""
    strip = np.zeros((_BANNER, width, 3), np.uint8)
    strip[:] = colour
    _write(strip, text, 10)
    _write(strip, str(number), width - 44)
    return strip


def _write(strip: np.ndarray, text: str, x: int) -> None:
    white = (255, 255, 255)
    cv2.putText(strip, text, (x, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.55, white, 1, cv2.LINE_AA)

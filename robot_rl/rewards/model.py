"""What every reward model is: an episode's observations in, what each of them is worth out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from robot_rl.errors import InterfaceMismatchError
from robot_rl.types import Interface, Observation

# T observations in a row: `image/<camera>` uint8 [T, H, W, 3] and `proprio` float32 [T, P].
Clip = dict[str, np.ndarray]

# What a score depends on: the observation alone, those before it as well, or the whole episode.
Sees = Literal["observation", "past", "episode"]


@dataclass(frozen=True)
class Scores:
    """Of T observations, float32 [T] each.

    `per_step` is what they pay, on the model's own scale; `progress` in [0, 1] how far the task
    is; `success` in [0, 1] how probable it is that it is done.
    """

    per_step: np.ndarray
    progress: np.ndarray
    success: np.ndarray

    @classmethod
    def of_progress(cls, progress: np.ndarray) -> "Scores":
        """Of a model that knows nothing but how far the task is."""
        bounded = np.clip(progress, 0.0, 1.0).astype(np.float32)
        return cls(bounded, bounded, bounded)

    def last(self) -> "Scores":
        return Scores(self.per_step[-1:], self.progress[-1:], self.success[-1:])

    def and_then(self, later: "Scores") -> "Scores":
        pairs = zip(vars(self).values(), vars(later).values(), strict=True)
        return Scores(*(np.concatenate(pair) for pair in pairs))


class RewardModel(ABC):
    """Scores clips of one episode. `sees` says what the score of an observation depends on."""

    sees: ClassVar[Sees] = "observation"
    reads: ClassVar[bool] = False  # whether it makes anything of the sentence

    @property
    @abstractmethod
    def identity(self) -> str:
        """Says what scores: another identity may score otherwise. Labels are cached by it."""

    @abstractmethod
    def score(self, clip: Clip, task: str) -> Scores:
        """`clip` begins where its episode does; `task` is a sentence that says what shall be."""

    def score_last(self, clip: Clip, task: str) -> Scores:
        """Of the last observation alone, which may be cheaper."""
        return self.score(clip, task).last()


def clip_of(obs: Sequence[Observation]) -> Clip:
    return {key: np.stack([o[key] for o in obs]) for key in obs[0]}


def frames_of(clip: Clip, camera: str) -> np.ndarray:
    """uint8 [T, H, W, 3] of the camera's key. Raises `InterfaceMismatchError` without it."""
    if camera not in clip:
        raise InterfaceMismatchError(
            f"a reward model looks through {camera}, and these observations have {', '.join(clip)}."
        )
    return clip[camera]


def camera_key(interface: Interface, camera: str) -> str:
    """Of the named camera; of the first one where the name is empty.

    Raises `InterfaceMismatchError` where there is no such camera, or none at all.
    """
    names = [field.name for field in interface.cameras]
    if not names:
        raise InterfaceMismatchError(
            f"the observations of {interface.task} have no camera, and a reward is to be seen in "
            "frames. Set task.state=false."
        )
    if camera and camera not in names:
        raise InterfaceMismatchError(
            f"{interface.task} has no camera '{camera}' to judge by; it has {', '.join(names)}."
        )
    return interface.cameras[names.index(camera) if camera else 0].key

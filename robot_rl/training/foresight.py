"""What a model expected to see, beside what was seen: a film of open-loop prediction."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from robot_rl.agents.base import Agent, Foresees
from robot_rl.episodes.film import banner
from robot_rl.types import Observation

CONTEXT_STEPS, FILMED_STEPS = 5, 50
_SIZE = 128
_COLUMNS = ("true", "imagined", "difference")
_SEES, _IMAGINES = (47, 191, 113), (245, 165, 36)


@dataclass
class Recording:
    """The beginning of an episode: what was `seen`, and the actions `applied` in between."""

    seen: list[Observation] = field(default_factory=list)
    applied: list[np.ndarray] = field(default_factory=list)

    def add(self, obs: Observation, action: np.ndarray | None = None) -> None:
        """`action` led to `obs`."""
        if len(self.applied) < FILMED_STEPS:
            self.seen.append({key: np.array(x) for key, x in obs.items()})
            if action is not None:
                self.applied.append(np.array(action))


def prediction_film(agent: Agent, recorded: Recording) -> list[np.ndarray]:
    """A row for each camera: the true frame, the drawn one, and how far they are apart.

    Empty where the agent draws nothing. The banner is green while the model sees, orange once it
    goes on by the actions alone.
    """
    if not isinstance(agent, Foresees) or not recorded.applied:
        return []
    context = min(CONTEXT_STEPS, len(recorded.applied))
    drawn = agent.foresee(recorded.seen, np.stack(recorded.applied), context)
    if not drawn:
        return []
    return [
        np.vstack(
            [_title(t, context), *(_row(obs[key], frames[t]) for key, frames in drawn.items())]
        )
        for t, obs in enumerate(recorded.seen)
    ]


def _title(step: int, context: int) -> np.ndarray:
    what, colour = ("sees", _SEES) if step < context else ("imagines", _IMAGINES)
    return banner(what, step, len(_COLUMNS) * _SIZE, colour)


def _row(true: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    apart = cv2.absdiff(true, imagined)
    return np.hstack([_scaled(frame) for frame in (true, imagined, apart)])


def _scaled(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (_SIZE, _SIZE), interpolation=cv2.INTER_NEAREST)

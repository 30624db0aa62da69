"""What a teacher was asked about, and what he said: by handles, so that a checkpoint is small."""

from typing import Any

import numpy as np
import torch

from robot_rl.rewards.teachers import Choice
from robot_rl.types import Rows


class Asked:
    """Pairs of clips by the handles of their first steps; `taught`: something was learned of it."""

    def __init__(self) -> None:
        self.taught = False
        self._lane: list[np.ndarray] = []
        self._step: list[np.ndarray] = []
        self._chosen: list[float] = []  # NaN where nothing could be said

    def __len__(self) -> int:
        return len(self._chosen)

    def add(self, pair: Rows, choice: Choice) -> None:
        """`pair` [2]."""
        self._lane.append(pair.lane)
        self._step.append(pair.step)
        self._chosen.append(float("nan") if choice is None else choice)

    def said(self) -> tuple[Rows, np.ndarray]:
        """Handles [N, 2] and choices [N] of those where something was said."""
        chosen = np.array(self._chosen, np.float64)
        pairs = Rows(*(np.array(x, np.int64).reshape(-1, 2) for x in (self._lane, self._step)))
        told = ~np.isnan(chosen)
        return pairs[told], chosen[told]

    def state_dict(self) -> dict[str, Any]:
        rows = np.array([*map(np.concatenate, zip(self._lane, self._step, strict=True))], np.int64)
        return {
            "pairs": torch.from_numpy(rows.reshape(-1, 4)),
            "chosen": torch.tensor(self._chosen, dtype=torch.float64),
            "taught": self.taught,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        rows = state["pairs"].numpy()
        self._lane, self._step = list(rows[:, :2]), list(rows[:, 2:])
        self._chosen, self.taught = state["chosen"].tolist(), state["taught"]

"""Transitions and segments, read out of the lanes with vectorised indexing."""

from typing import Any

import numpy as np

from robot_rl.replay.draws import Draws, Segments, Transitions
from robot_rl.replay.returns import ReturnsToGo
from robot_rl.replay.storage import Lanes
from robot_rl.types import PROPRIO, SOURCES, Batch, Rows, Segment

_POLICY = SOURCES.index("policy")


class Windows:
    """Reads what follows given starts: `lane` [B] and absolute `row` [B]."""

    def __init__(self, storage: Lanes, draws: Draws) -> None:
        self._storage = storage
        self._takeover = draws.reward == "takeover"
        self.returns = ReturnsToGo(storage, draws.gamma, self._rewards)

    def transitions(self, lane: np.ndarray, row: np.ndarray, draws: Transitions) -> Batch:
        """An n-step return never crosses the end of an episode, nor a change of commander.

        It stops there, with the discount of the steps it has. Truncation bootstraps, termination
        does not.
        """
        store = self._storage
        window = store.flat(lane[:, None], row[:, None] + np.arange(draws.nstep))  # [B, n]
        start = window[:, 0]
        one_commander = store.taught[window] == store.taught[window[:, :1]]
        counted = np.logical_and.accumulate(store.has_action[window] & one_commander, axis=1)
        steps = counted.sum(axis=1)
        gammas = draws.gamma ** np.arange(draws.nstep + 1, dtype=np.float32)
        terminated = (store.terminated[window] & counted).any(axis=1)
        return Batch(
            obs=self._stacked(lane, row, draws.frame_stack),
            action=store.action[start],
            reward=(self._rewards(window) * counted) @ gammas[:-1],
            discount=np.where(terminated, np.float32(0.0), gammas[steps]),
            next_obs=self._stacked(lane, row + steps, draws.frame_stack),
            label=store.label[start],
            gripper_changes=(store.gripper_change[window] & counted) @ gammas[:-1],
            rows=Rows(lane, store.step[start]),
            segment=None if draws.ahead is None else self.segment(lane, row, draws.ahead),
            returns_to_go=self.returns.of(start) if draws.returns_to_go else None,
        )

    def segment(self, lane: np.ndarray, row: np.ndarray, draws: Segments) -> Segment:
        """See `types.Segment`. No window goes beyond what its lane holds."""
        store = self._storage
        wished = row[:, None] + np.arange(draws.length + 1)
        if draws.cross_episodes:
            last = store.head[lane] - 1
        else:
            alive = store.has_action[store.flat(lane[:, None], wished[:, :-1])]
            last = row + np.logical_and.accumulate(alive, axis=1).sum(axis=1)
        at = np.minimum(wished, last[:, None])
        places = store.flat(lane[:, None], at)  # [B, T + 1]
        of = places[:, :-1]
        there = store.has_action[of]  # the last row of an episode, and of a lane, has none
        step = np.where(there, store.step[of], -1)
        return Segment(
            obs=self._observed(lane, at, draws.frame_stack),
            action=store.action[of] * there[..., None],
            reward=self._rewards(of) * there,
            terminated=store.terminated[of] & there,
            is_first=(store.episode_step[places] == 0) & (at == wished),
            mask=there.astype(np.float32),
            label=store.label[of] * there[..., None],
            own=(store.source[of] == _POLICY) & there,
            taught=store.taught[of] & there,
            labelled=store.labelled[of] & there,
            rows=Rows(np.broadcast_to(lane[:, None], step.shape), step),
            returns_to_go=self._known_returns(of, there) if draws.returns_to_go else None,
        )

    def _rewards(self, places: np.ndarray) -> np.ndarray:
        if self._takeover:
            return -self._storage.takeover[places].astype(np.float32)
        return self._storage.reward[places]

    def _known_returns(self, places: np.ndarray, there: np.ndarray) -> np.ndarray:
        return np.where(there, self.returns.of(places), np.float32(np.nan))

    def _stacked(self, lane: np.ndarray, row: np.ndarray, stack: int) -> dict[str, Any]:
        """Observations of rows [B], images [B, S, 3, H, W], oldest frame first."""
        seen = self._before(lane, row, np.arange(stack - 1, -1, -1))
        return self._take(lane[:, None], seen, self._storage.flat(lane, row))

    def _observed(self, lane: np.ndarray, at: np.ndarray, stack: int) -> dict[str, Any]:
        """Observations of rows [B, T + 1], images with the S - 1 before the first."""
        before = self._before(lane, at[:, 0], np.arange(stack - 1, 0, -1))
        seen = np.concatenate([before, at], axis=1)
        return self._take(lane[:, None], seen, self._storage.flat(lane[:, None], at))

    def _before(self, lane: np.ndarray, row: np.ndarray, back: np.ndarray) -> np.ndarray:
        """Rows `back` before `row` [B, S]; an episode's first one stands for what was before it."""
        since = self._storage.episode_step[self._storage.flat(lane, row)]
        return row[:, None] - np.minimum(back[None, :], since[:, None])

    def _take(self, lane: np.ndarray, seen: np.ndarray, felt: np.ndarray) -> dict[str, Any]:
        """Images of the rows `seen`, proprio of the places `felt`."""
        frames = self._storage.flat(lane, seen)
        obs: dict[str, Any] = {key: kept.take(frames) for key, kept in self._storage.frames.items()}
        if self._storage.proprio.shape[1]:
            obs[PROPRIO] = self._storage.proprio[felt]
        return obs

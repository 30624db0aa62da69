"""Returns-to-go of stored steps, kept up to date as episodes end and rewards are rewritten."""

from collections.abc import Callable

import numpy as np

from robot_rl.replay.storage import Lanes


class ReturnsToGo:
    """G_t = r_t + gamma G_{t+1} up to the step that terminated the episode.

    NaN where the episode was truncated or is unfinished: what would have come is not known.
    """

    def __init__(
        self, storage: Lanes, gamma: float, rewards: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        """`rewards` reads those of places in the flat arrays."""
        self._storage, self._gamma, self._rewards = storage, gamma, rewards
        self._value = np.full(len(storage.reward), np.nan, np.float32)
        self._settled = np.zeros(storage.lanes, np.int64)  # rows before it are up to date, by lane

    def of(self, places: np.ndarray) -> np.ndarray:
        """Float32, of places in the flat arrays."""
        for lane in range(self._storage.lanes):
            self._settle(lane)
        return self._value[places]

    def rewritten(self, places: np.ndarray) -> None:
        """The rewards at `places` changed: with them all returns since their episodes began."""
        lane, row = self._storage.address(places)
        np.minimum.at(self._settled, lane, row - self._storage.episode_step[places])

    def _settle(self, lane: int) -> None:
        store = self._storage
        head = int(store.head[lane])
        rows = np.arange(max(int(self._settled[lane]), int(store.oldest[lane])), head)
        if not len(rows):
            return
        places = store.flat(lane, rows)
        # The newest row has no action, so every step here has an end behind it.
        ends = np.flatnonzero(~store.has_action[places])
        to_end = ends[np.searchsorted(ends, np.arange(len(rows)))] - np.arange(len(rows))
        last = places[np.maximum(np.arange(len(rows)) + to_end - 1, 0)]
        total = discounted(self._rewards(places), to_end, self._gamma)
        known = (to_end > 0) & store.terminated[last]
        self._value[places] = np.where(known, total, np.nan)
        self._settled[lane] = head - 1 - int(store.episode_step[places[-1]])


def discounted(reward: np.ndarray, to_end: np.ndarray, gamma: float) -> np.ndarray:
    """Sum of gamma^i reward[t + i] over the next `to_end[t]` entries, in float64.

    By doubling: the sum over 2k entries is that over k plus gamma^k times the one that begins
    there.
    """
    total, span = np.where(to_end > 0, reward, 0.0).astype(np.float64), 1
    while span < to_end.max():
        behind = np.zeros_like(total)
        behind[:-span] = total[span:]
        total += gamma**span * np.where(to_end > span, behind, 0.0)
        span *= 2
    return total

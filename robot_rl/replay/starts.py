"""Which stored steps a batch begins at."""

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.replay.draws import Draws
from robot_rl.replay.storage import Lanes

_TRIES = 50

# (lane [n], absolute row [n])
Places = tuple[np.ndarray, np.ndarray]


class Starts:
    """Draws with replacement, uniform over all steps that can be a start.

    That is every step whose frame stack is there: where the oldest episode has lost its beginning,
    its first `frame_stack` - 1 rows only serve the stacks of later ones. With a `taught_fraction`
    the draw is uniform within each kind, and the fraction decides between the kinds.
    """

    def __init__(self, storage: Lanes, rng: np.random.Generator) -> None:
        self._storage, self._rng = storage, rng

    def draw(self, n: int, draws: Draws) -> Places:
        """Raises `ConfigError` when nothing can be drawn yet."""
        if not draws.taught_fraction:
            return self._draw_any(n, draws)
        startable, taught = self._startable(draws), self._storage.taught
        kinds = np.flatnonzero(startable & taught), np.flatnonzero(startable & ~taught)
        if draws.taught_fraction == 1.0 and not len(kinds[0]):
            raise ConfigError(
                "there is nothing to imitate yet. Give demonstrations: demos=[FOLDER]."
            )
        wanted = round(n * draws.taught_fraction)
        wanted = 0 if not len(kinds[0]) else wanted if len(kinds[1]) else n
        drawn = [
            self._rng.choice(kind, size) if size else kind[:0]
            for kind, size in zip(kinds, (wanted, n - wanted), strict=True)
        ]
        return self._storage.address(np.concatenate(drawn))

    def _draw_any(self, n: int, draws: Draws) -> Places:
        """Any row of any lane; those that cannot be a start are drawn again."""
        oldest, end = self._storage.oldest, self._end(draws)
        span = np.cumsum(end - oldest)
        lanes = [np.empty(0, np.int64)]
        rows = [np.empty(0, np.int64)]
        missing = n
        for _ in range(_TRIES):
            draw = self._rng.integers(0, max(span[-1], 1), size=missing + missing // 4 + 4)
            lane = np.searchsorted(span, draw, side="right")
            lane = np.minimum(lane, self._storage.lanes - 1)
            row = draw - (span[lane] - (end - oldest)[lane]) + oldest[lane]
            keep = np.flatnonzero(self._valid(lane, row, draws))[:missing]
            lanes.append(lane[keep])
            rows.append(row[keep])
            missing -= len(keep)
            if not missing:
                return np.concatenate(lanes), np.concatenate(rows)
        found = np.flatnonzero(self._startable(draws))
        lane, row = self._storage.address(self._rng.choice(found, missing))
        return np.concatenate([*lanes, lane]), np.concatenate([*rows, row])

    def _startable(self, draws: Draws) -> np.ndarray:
        """Bool over all places. Raises `ConfigError` where none is."""
        store, found = self._storage, self._storage.has_action.copy()
        late = np.zeros_like(found)
        for lane, (oldest, end) in enumerate(zip(store.oldest, self._end(draws), strict=True)):
            head = store.head[lane]
            first = np.arange(oldest, min(oldest + draws.frame_stack - 1, head))
            found[store.flat(lane, first)] &= self._valid(lane, first, draws)
            late[store.flat(lane, np.arange(end, head))] = True
        if not found.any():
            raise ConfigError("the replay holds no transition yet; collect before sampling.")
        early = found & ~late
        return early if early.any() else found

    def _end(self, draws: Draws) -> np.ndarray:
        """Row before which starts lie, by lane: all of a lane that is too short for a window."""
        head, ahead = self._storage.head, draws.rows_ahead
        return np.where(head - self._storage.oldest > ahead, head - ahead, head)

    def _valid(self, lane: int | np.ndarray, row: np.ndarray, draws: Draws) -> np.ndarray:
        store = self._storage
        place = store.flat(lane, row)
        depth = np.minimum(draws.frame_stack - 1, store.episode_step[place])
        return store.has_action[place] & (row - depth >= store.oldest[lane])

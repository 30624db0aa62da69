"""Which stored steps are of one kind: an index that follows the replay as it grows and forgets."""

from collections.abc import Callable

import numpy as np

from robot_rl.replay.storage import Lanes

# (storage, lane, places [N]) -> bool [N]
Belongs = Callable[[Lanes, int, np.ndarray], np.ndarray]


class Members:
    """The rows of each lane that have an action and for which `belongs` holds, oldest first.

    A ring of row numbers for each lane; catching up costs what is new since the last time.
    """

    def __init__(self, storage: Lanes, belongs: Belongs) -> None:
        self._storage, self._belongs = storage, belongs
        self._rows = [np.empty(size, np.int64) for size in storage.size]
        self._first = np.zeros(storage.lanes, np.int64)  # members ever dropped, by lane
        self._end = np.zeros(storage.lanes, np.int64)  # members ever found, by lane
        self._read = np.zeros(storage.lanes, np.int64)  # rows looked at, by lane

    def catch_up(self) -> None:
        for lane, (oldest, head) in enumerate(
            zip(self._storage.oldest, self._storage.head, strict=True)
        ):
            self._drop(lane, oldest)
            self._find(lane, np.arange(max(self._read[lane], oldest), head - 1))

    @property
    def count(self) -> int:
        return int((self._end - self._first).sum())

    def take(self, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(lane, row) of members by `number`, each in [0, count)."""
        ends = np.cumsum(self._end - self._first)
        lane = np.searchsorted(ends, number, side="right")
        within = number - (ends - (self._end - self._first))[lane] + self._first[lane]
        row = np.empty(len(number), np.int64)
        for one in np.unique(lane):
            mine = lane == one
            row[mine] = self._rows[one][within[mine] % len(self._rows[one])]
        return lane, row

    def _drop(self, lane: int, oldest: int) -> None:
        rows = self._rows[lane]
        while self._first[lane] < self._end[lane] and (
            rows[self._first[lane] % len(rows)] < oldest
        ):
            self._first[lane] += 1

    def _find(self, lane: int, new: np.ndarray) -> None:
        """The newest row has no action yet, so it is looked at the next time."""
        if not len(new):
            return
        places = self._storage.flat(lane, new)
        mine = new[self._storage.has_action[places] & self._belongs(self._storage, lane, places)]
        end = self._end[lane]
        self._rows[lane][np.arange(end, end + len(mine)) % len(self._rows[lane])] = mine
        self._end[lane] += len(mine)
        self._read[lane] = new[-1] + 1

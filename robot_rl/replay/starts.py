"""Which stored steps a batch begins at."""

import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.replay.draws import Draws
from robot_rl.replay.members import Belongs, Members
from robot_rl.replay.storage import Lanes
from robot_rl.types import SOURCES

_TRIES = 50
_POLICY = SOURCES.index("policy")

# (lane [n], absolute row [n])
Places = tuple[np.ndarray, np.ndarray]


# The kinds of steps that `Draws.kinds` names.
KINDS: dict[str, Belongs] = {
    "any": lambda store, lane, places: np.ones(len(places), bool),
    "taught": lambda store, lane, places: store.taught[places],
    "online": lambda store, lane, places: (
        ~store.taught[places] if lane == store.demo_lane else np.ones(len(places), bool)
    ),
    "interventions": lambda store, lane, places: store.taught[places] & (lane != store.demo_lane),
    "imitable": lambda store, lane, places: (
        store.taught[places] if lane == store.demo_lane else store.source[places] == _POLICY
    ),
    "labelled": lambda store, lane, places: store.labelled[places],
}


class Starts:
    """Draws with replacement, uniform over all steps of a kind that can be a start.

    That is every step whose frame stack is there: where the oldest episode has lost its beginning,
    its first `frame_stack` - 1 rows only serve the stacks of later ones.
    """

    def __init__(self, storage: Lanes, rng: np.random.Generator) -> None:
        self._storage, self._rng = storage, rng
        self._members: dict[str, Members] = {}

    def draw(self, n: int, draws: Draws) -> Places:
        """Raises `ConfigError` when nothing can be drawn yet."""
        taught, rest = draws.kinds
        share = draws.taught_share(self._storage.own_steps)
        first = self._draw(taught, round(n * share), draws)
        if share == 1.0 and not len(first[0]):
            raise ConfigError(
                "there is nothing to imitate yet. Give demonstrations: demos=[FOLDER]."
            )
        second = self._draw(rest, n - len(first[0]), draws)
        if len(first[0]) and not len(second[0]):
            first = self._draw(taught, n, draws)
        lane, row = _joined(first, second)
        if len(lane) < n:
            raise ConfigError(f"the replay holds no transition yet{_missing(rest)}.")
        return lane, row

    def _draw(self, kind: str, n: int, draws: Draws) -> Places:
        """`n` members of `kind`, or none where none can be a start."""
        found = (np.empty(0, np.int64), np.empty(0, np.int64))
        if not n:
            return found
        members = self._of_kind(kind)
        for _ in range(_TRIES if members.count else 0):
            missing = n - len(found[0])
            lane, row = members.take(
                self._rng.integers(0, members.count, size=missing + missing // 4 + 4)
            )
            keep = np.flatnonzero(self._is_start(lane, row, draws))[:missing]
            found = _joined(found, (lane[keep], row[keep]))
            if len(found[0]) == n:
                return found
        return _joined(found, self._draw_rare(members, n - len(found[0]), draws))

    def _of_kind(self, kind: str) -> Members:
        if kind not in self._members:
            self._members[kind] = Members(self._storage, KINDS[kind])
        self._members[kind].catch_up()
        return self._members[kind]

    def _draw_rare(self, members: Members, n: int, draws: Draws) -> Places:
        """Where hardly any member can be a start."""
        lane, row = members.take(np.arange(members.count))
        early, late = self._is_start(lane, row, draws), self._has_stack(lane, row, draws)
        able = np.flatnonzero(early if early.any() else late)
        chosen = self._rng.choice(able, n) if len(able) else able
        return lane[chosen], row[chosen]

    def _is_start(self, lane: np.ndarray, row: np.ndarray, draws: Draws) -> np.ndarray:
        """Whether its stack is there, and its window, where its lane has room for one."""
        head, ahead = self._storage.head, draws.rows_ahead
        end = np.where(head - self._storage.oldest > ahead, head - ahead, head)
        return self._has_stack(lane, row, draws) & (row < end[lane])

    def _has_stack(self, lane: np.ndarray, row: np.ndarray, draws: Draws) -> np.ndarray:
        store = self._storage
        depth = np.minimum(draws.frame_stack - 1, store.episode_step[store.flat(lane, row)])
        return row - depth >= store.oldest[lane]


def _missing(kind: str) -> str:
    """What is missing, where steps of any kind would not do."""
    if kind == "labelled":
        return " whose action a person labelled. Let a human take part: human.device"
    return "; collect before sampling"


def _joined(a: Places, b: Places) -> Places:
    return np.concatenate((a[0], b[0])), np.concatenate((a[1], b[1]))

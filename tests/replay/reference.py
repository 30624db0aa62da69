"""Random recordings, and what a plain loop over their rows says about every window."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from robot_rl.replay import Draws, Replay, Segments, Transitions
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, Observation
from tests.conftest import make_interface

INTERFACE = make_interface(cameras=2, size=16, proprio=1, actions=1)
KEY = INTERFACE.cameras[1].key
NAMES = {"p": "policy", "h": "human", "e": "expert", "r": "random", "n": "nobody"}

# Who commands each step, a letter each, and how the episode ends: `killed` leaves it unfinished.
Episode = tuple[str, str]
ENDS = ("terminated", "truncated", "killed")
episodes = st.lists(
    st.tuples(st.text("phern", min_size=1, max_size=9), st.sampled_from(ENDS)),
    min_size=1,
    max_size=8,
)


def numbered_obs(number: int) -> Observation:
    """Its pixels and proprio carry `number`."""
    image = np.full((16, 16, 3), number % 251, np.uint8)
    image[0, 0] = (number % 256, number // 256, 7)
    return {
        INTERFACE.cameras[0].key: image,
        KEY: image + np.uint8(1),
        PROPRIO: np.array([number], np.float32),
    }


@dataclass
class Row:
    """One observation, and the step that was taken there."""

    number: int
    episode_step: int
    steps: int  # of the lane, before this row
    step: Step | None = None
    reward: float = 0.0
    version: int = 0
    takeover: bool = False

    @property
    def taught(self) -> bool:
        return self.step is not None and self.step.source in ("human", "expert")


@dataclass
class Recording:
    """All rows ever added, by lane, and the replay that they were added to."""

    replay: Replay
    lanes: list[list[Row]] = field(default_factory=list)

    def kept(self, lane: int) -> list[Row]:
        """Those that a ring of its size still holds."""
        return self.lanes[lane][-int(self.replay.storage.size[lane]) :]

    def find(self, number: int) -> tuple[list[Row], int]:
        """The rows of a lane from the oldest kept on, and the place in them of row `number`."""
        for lane in range(len(self.lanes)):
            rows = self.kept(lane)
            for place, row in enumerate(rows):
                if row.number == number:
                    return rows, place
        raise AssertionError(f"row {number} is not in the replay any more")


def record(
    replay: Replay, lanes: list[list[Episode]], watch: Callable[[], None] = lambda: None
) -> Recording:
    """`watch` is called after each step."""
    recording, number = Recording(replay), 0
    for lane, made in enumerate(lanes):
        rows: list[Row] = []
        recording.lanes.append(rows)
        steps = 0
        for commanders, end in made:
            rows.append(Row(number, 0, steps))
            replay.begin(lane, numbered_obs(number))
            for t, letter in enumerate(commanders):
                last = t == len(commanders) - 1
                step = _step(number, NAMES[letter], end if last else "")
                rows[-1].step, rows[-1].reward = step, step.reward
                if t and rows[-1].taught:
                    before = rows[-2].step
                    assert before is not None
                    rows[-2].takeover = before.source in ("policy", "random")
                number, steps = number + 1, steps + 1
                replay.add(lane, step, numbered_obs(number))
                rows.append(Row(number, t + 1, steps))
                watch()
            number += 1
    return recording


def _step(number: int, source: str, end: str) -> Step:
    action = np.array([number / 7], np.float32)
    wish = -action if number % 2 else None
    ends = end == "terminated", end == "truncated"
    return Step(action, number / 3, *ends, source=source, human_action=wish)


def paid(row: Row, draws: Draws) -> float:
    return -float(row.takeover) if draws.reward == "takeover" else row.reward


def n_step(rows: list[Row], t: int, draws: Transitions) -> tuple[float, float, int]:
    """(n-step reward, discount, place of next_obs) of the transition that starts at row `t`."""
    reward, discount, taken = 0.0, 1.0, 0
    while taken < draws.nstep:
        row = rows[t + taken]
        if row.step is None or row.taught != rows[t].taught:
            break
        reward += draws.gamma**taken * paid(row, draws)
        taken += 1
        discount = 0.0 if row.step.terminated else draws.gamma**taken
        if row.step.terminated:
            break
    return reward, discount, t + taken


def return_to_go(rows: list[Row], t: int, draws: Draws) -> float:
    """NaN without a termination at the end."""
    total, discount = 0.0, 1.0
    for row in rows[t:]:
        if row.step is None:
            return float("nan")
        total += discount * paid(row, draws)
        discount *= draws.gamma
        if row.step.terminated:
            return total
    raise AssertionError("a lane ends with a row that has no step")


def window(rows: list[Row], t: int, draws: Segments) -> list[Row | None]:
    """T + 1 rows from `t` on; None where an episode, or with `cross_episodes` the data, ended."""
    found: list[Row | None] = []
    for place in range(t, t + draws.length + 1):
        over = place >= len(rows) or (found != [] and found[-1] is None)
        if not draws.cross_episodes and place > t and not over:
            over = rows[place].episode_step == 0
        found.append(None if over else rows[place])
    return found


def stack_of(rows: list[Row], t: int, stack: int) -> list[int]:
    """Numbers of the frames, oldest first."""
    first = t - rows[t].episode_step
    return [rows[max(t - back, first)].number for back in range(stack - 1, -1, -1)]


def numbers_in(frames: np.ndarray) -> list[int]:
    """That the pixels of `frames` [S, 3, H, W] carry."""
    return [(int(f[0, 0, 0]) - 1) % 256 + 256 * (int(f[1, 0, 0]) - 1) for f in frames]

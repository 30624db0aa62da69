"""A folder of episodes: `interface.json` and journals. What `collect` and `import` write, and a
run's own replay."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from robot_rl.errors import CorruptFileError, RunDirectoryError
from robot_rl.replay.journal import KEEP_ALL, Journal
from robot_rl.replay.storage import Step
from robot_rl.types import INTERFACE_FILE, Interface, Observation


@dataclass(frozen=True)
class StoredEpisode:
    """`obs` has one more entry than `steps`. `name` is lane and number, such as `0/17`.

    `variation` is what the simulation drew for it.
    """

    name: str
    obs: list[Observation]
    steps: list[Step]
    variation: Mapping[str, float] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """False for one that a killed process left behind."""
        return bool(self.steps) and (self.steps[-1].terminated or self.steps[-1].truncated)

    @property
    def episode_return(self) -> float:
        return sum(step.reward for step in self.steps)


class EpisodesFolder:
    """Reads `root`, or the replay of the run in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._rows = root / "replay" if (root / "replay").is_dir() else root

    def interface(self) -> Interface:
        """Raises `RunDirectoryError` where there are no episodes."""
        if not (self.root / INTERFACE_FILE).exists():
            raise RunDirectoryError(
                f"{self.root} holds no episodes: {INTERFACE_FILE} is missing. "
                "`robot-rl collect` and `robot-rl episodes import` write such folders, and every "
                "run is one."
            )
        return Interface.load(self.root / INTERFACE_FILE)

    def journals(self) -> list[Journal]:
        """One per lane. Raises `CorruptFileError` where there is none."""
        interface = self.interface()
        lanes = sorted({int(path.name[4:6]) for path in self._rows.glob("lane*.rows")})
        if not lanes:
            raise CorruptFileError(f"{self.root} holds no episodes; collect or import some.")
        return [Journal(self._rows, lane, interface, KEEP_ALL) for lane in lanes]

    def lengths(self) -> Iterator[int]:
        """Observations of every finished episode, in the order of `episodes`."""
        for journal in self.journals():
            yield from journal.finished_lengths()

    def episodes(self) -> Iterator[StoredEpisode]:
        """In the order of recording; a first one whose beginning is gone is left out."""
        for lane, journal in enumerate(self.journals()):
            number, drawn = 0, journal.variations.read()
            for rows in journal.episodes():
                if rows[0][0] is not None:
                    continue
                steps = [step for step, _ in rows if step is not None]
                variation = drawn.get(journal.steps - len(steps), {})
                yield StoredEpisode(f"{lane}/{number}", [obs for _, obs in rows], steps, variation)
                number += 1


def create(root: Path, interface: Interface) -> Journal:
    """A journal for new episodes in `root`, after those that are there.

    Raises `InterfaceMismatchError` where those are of another interface, and `RunDirectoryError`
    where nothing can be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(
            f"{root} cannot be a folder of episodes: {error.strerror}. Give another."
        ) from error
    path = root / INTERFACE_FILE
    if path.exists():
        Interface.load(path).require_equal(interface, f"the recording to be added to {root}")
    else:
        interface.save(path)
    journal = Journal(root, 0, interface, KEEP_ALL)
    for _ in journal.episodes(repair=True):
        pass  # counts the steps, and cuts a torn tail
    return journal


def write_episode(journal: Journal, episode: StoredEpisode) -> None:
    """Append it; its segments are named anew by where they begin in this journal."""
    journal.begin(episode.obs[0], episode.variation)
    offset, old = 0, None
    for step, next_obs in zip(episode.steps, episode.obs[1:], strict=True):
        if step.segment != old:
            old, offset = step.segment, journal.steps - step.segment
        journal.add(dataclasses.replace(step, segment=step.segment + offset), next_obs)

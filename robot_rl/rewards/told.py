"""Folders of episodes whose success is known: by outcome, or by what the last step was paid."""

from pathlib import Path

import numpy as np

from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode
from robot_rl.rewards.outcomes import OUTCOMES, SUCCESS
from robot_rl.types import INTERFACE_FILE, Interface

_ALIKE = 1e-6  # rewards that differ by less

Told = list[tuple[bool, StoredEpisode]]


def told(folder: Path) -> tuple[Interface, Told]:
    """The interface, and (succeeded, episode) of what `robot-rl rewards episodes` wrote.

    Of any other folder of episodes: success is a last step that was paid and ended it, as a sparse
    reward does. Raises `RunDirectoryError` where there are no episodes.
    """
    outcomes = [o for o in OUTCOMES if (folder / o / INTERFACE_FILE).exists()]
    if not outcomes:
        source = EpisodesFolder(folder)
        found = [(ended_well(e), e) for e in source.episodes() if e.steps]
        return source.interface(), found
    parts = [(o, EpisodesFolder(folder / o)) for o in outcomes]
    found = [(o == SUCCESS, e) for o, source in parts for e in source.episodes()]
    return parts[0][1].interface(), found


def until_done(episode: StoredEpisode) -> int:
    """So many observations lead up to what was paid best for the first time.

    What comes after it gets no further: an episode of a dense reward goes on where it is done. All
    of them do where nothing was paid.
    """
    paid = np.array([step.reward for step in episode.steps])
    if np.ptp(paid) < _ALIKE:
        return len(episode.obs)
    return int((paid >= paid.max() - _ALIKE).argmax()) + 2


def ended_well(episode: StoredEpisode) -> bool:
    """Whether its last step was paid and ended it, as success does where the reward is sparse."""
    last = episode.steps[-1]
    return last.terminated and last.reward > 0

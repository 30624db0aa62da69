"""lerobot's table of progress: one row for each step, for reward-aligned cloning there and here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from robot_rl.envs.reward import RewardConfig
from robot_rl.episodes.folder import StoredEpisode
from robot_rl.episodes.lerobot import arrow_and_parquet
from robot_rl.errors import CorruptFileError, InterfaceMismatchError
from robot_rl.rewards.labels import LabelFile, LabelledBy
from robot_rl.rewards.model import Scores

_PROGRESS = "progress_sparse"
_COLUMNS = ("index", "episode_index", "frame_index", _PROGRESS)
# What a table's progress pays: its differences.
DIFFERENCES = RewardConfig(name="progress_table", shaping=True, shaping_gamma=1.0)


def write(labels: LabelFile, episodes: Sequence[StoredEpisode], path: Path) -> int:
    """Of the observation that each step was chosen in, as an exported dataset has them; the rows.

    Raises `ConfigError` where an episode has no label.
    """
    columns: dict[str, list[np.ndarray]] = {name: [] for name in _COLUMNS}
    start = 0
    for number, episode in enumerate(episodes):
        labels.paid(episode)  # refuses an episode that nobody scored
        scores, count = labels.of(episode), len(episode.steps)
        assert scores is not None
        values = (
            start + np.arange(count),
            np.full(count, number),
            np.arange(count),
            scores.progress[:-1].astype(np.float32),
        )
        for name, value in zip(_COLUMNS, values, strict=True):
            columns[name].append(value)
        start += count
    arrow, parquet = arrow_and_parquet()
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    parquet.write_table(arrow.table(table), path)
    return start


def read(path: Path, labels: LabelFile, episodes: Sequence[StoredEpisode]) -> int:
    """Into `labels`; how many episodes. An episode's last observation is as far as the one before.

    Raises `CorruptFileError` for a file that is no such table, and `InterfaceMismatchError` where
    it is of other episodes.
    """
    _, parquet = arrow_and_parquet()
    try:
        table = parquet.read_table(path, columns=list(_COLUMNS)).to_pydict()
    except (OSError, ValueError, KeyError) as error:
        raise CorruptFileError(
            f"{path} is no table of progress ({error}). It needs the columns {', '.join(_COLUMNS)}."
        ) from error
    number = np.array(table["episode_index"])
    progress = np.array(table[_PROGRESS], np.float32)
    lengths = np.bincount(number, minlength=len(episodes)).tolist()
    own = [len(episode.steps) for episode in episodes]
    if lengths != own:
        raise InterfaceMismatchError(
            f"{path} is of episodes with {lengths[:5]}... steps, and these have {own[:5]}... It "
            "was written for other episodes, or in another order."
        )
    labels.begin(LabelledBy(f"table {path.name}", "", DIFFERENCES))
    for i, episode in enumerate(episodes):
        mine = progress[number == i]
        labels.add(episode, Scores.of_progress(np.append(mine, mine[-1])))
    labels.close()
    return len(episodes)

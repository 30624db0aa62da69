"""Demonstrations that learning starts with."""

import itertools
from pathlib import Path

from robot_rl.build.config import TrainConfig
from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode
from robot_rl.errors import ConfigError
from robot_rl.replay import Replay
from robot_rl.types import Interface


def load_demos(config: TrainConfig, interface: Interface, replay: Replay) -> int:
    """Steps of demonstrations put into the last lane of `replay`; unfinished ones are left out.

    Raises `InterfaceMismatchError`, field by field, where they were made with another interface.
    """
    before = len(replay)
    folders = [EpisodesFolder(Path(path)) for path in config.demos]
    for folder in folders:
        folder.interface().require_equal(interface, f"the demonstration folder {folder.root}")
    every = itertools.chain.from_iterable(folder.episodes() for folder in folders)
    finished = (episode for episode in every if episode.finished)
    rows = 0
    for episode in itertools.islice(finished, config.demo_episodes or None):
        rows += len(episode.obs)
        if rows > replay.storage.lane_rows:
            raise ConfigError(
                f"the demonstrations take more than the {replay.storage.lane_rows:,} rows that "
                f"they have in a replay of {config.replay.capacity:,}. Raise replay.capacity, or "
                "take fewer: demo_episodes."
            )
        _require_reward(episode, config)
        replay.begin(config.lanes, episode.obs[0])
        for step, next_obs in zip(episode.steps, episode.obs[1:], strict=True):
            replay.add(config.lanes, step, next_obs)
    return len(replay) - before


def _require_reward(episode: StoredEpisode, config: TrainConfig) -> None:
    """Raise `ConfigError` for a dense reward where the run pays a sparse one."""
    dense = next((s.reward for s in episode.steps if s.reward not in (0.0, 1.0)), None)
    if config.task.reward == "sparse" and dense is not None:
        raise ConfigError(
            f"demonstration {episode.name} was paid {dense:.3f} for a step, and task.reward=sparse "
            "pays 0 or 1. Record it with task.reward=sparse, or learn with task.reward=dense."
        )

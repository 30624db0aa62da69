"""Demonstrations that learning starts with."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

from robot_rl.build.config import TrainConfig
from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode
from robot_rl.errors import ConfigError
from robot_rl.replay import Replay
from robot_rl.rewards.labels import LabelFile
from robot_rl.types import Interface


class Demonstrations:
    """The finished episodes of `demos`, at most `demo_episodes` of them.

    They are counted first and loaded into a replay that was built with room for their `rows`.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._folders = [EpisodesFolder(Path(path)) for path in config.demos]
        every = itertools.chain.from_iterable(folder.lengths() for folder in self._folders)
        self._lengths = list(itertools.islice(every, config.demo_episodes or None))

    def interface(self) -> Interface:
        """What they were recorded with. Raises `ConfigError` where there are none."""
        if not self._folders:
            raise ConfigError(
                "steps=0 without an evaluation opens no environment, and there is nothing else to "
                "learn from. Give demonstrations: demos=[FOLDER]."
            )
        return self._folders[0].interface()

    def require_fit(self, interface: Interface) -> None:
        """Raises `InterfaceMismatchError`, field by field, for those of another interface."""
        for folder in self._folders:
            where = f"the demonstration folder {folder.root}"
            folder.interface().require_equal(interface, where)

    @property
    def rows(self) -> int:
        """Rows of the replay that they take."""
        return sum(self._lengths)

    def load(self, replay: Replay) -> int:
        """Put them into the last lane; the number of their steps."""
        every = itertools.chain.from_iterable(self._paid(folder) for folder in self._folders)
        finished = (episode for episode in every if episode.finished)
        lane = self._config.lanes
        for episode in itertools.islice(finished, len(self._lengths)):
            _require_reward(episode, self._config)
            replay.begin(lane, episode.obs[0])
            for step, next_obs in zip(episode.steps, episode.obs[1:], strict=True):
                replay.add(lane, step, next_obs)
        return self.rows - len(self._lengths)

    def _paid(self, folder: EpisodesFolder) -> Iterator[StoredEpisode]:
        """Its episodes, paid as the labels say where some were named."""
        name = self._config.demo_labels
        if not name:
            yield from folder.episodes()
            return
        labels = LabelFile(folder.root, name)
        for episode in filter(lambda episode: episode.finished, folder.episodes()):
            rewards = labels.paid(episode).tolist()
            steps = [
                dataclasses.replace(step, reward=reward)
                for step, reward in zip(episode.steps, rewards, strict=True)
            ]
            yield dataclasses.replace(episode, steps=steps)


def pays_demonstrations(config: TrainConfig) -> bool:
    """Whether the reward model pays in them, too: not where labels do, nor where success ends an
    episode, as it does in them."""
    reward = config.task.reward_model
    return reward.present and bool(config.demos) and not (config.demo_labels or reward.ends_after)


def _require_reward(episode: StoredEpisode, config: TrainConfig) -> None:
    """Raise `ConfigError` for a dense reward where the run pays a sparse one."""
    dense = next((s.reward for s in episode.steps if s.reward not in (0.0, 1.0)), None)
    labelled = config.demo_labels or pays_demonstrations(config)
    if config.task.reward == "sparse" and dense is not None and not labelled:
        raise ConfigError(
            f"demonstration {episode.name} was paid {dense:.3f} for a step, and task.reward=sparse "
            "pays 0 or 1. Record it with task.reward=sparse, or learn with task.reward=dense."
        )

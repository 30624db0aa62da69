"""Scores of stored episodes, beside their journal: one line for each, written as it is scored."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.config.schema import from_tree
from robot_rl.envs.reward import RewardConfig
from robot_rl.episodes.folder import StoredEpisode
from robot_rl.errors import ConfigError, CorruptFileError
from robot_rl.jsonlines import JsonLines, read_json_lines
from robot_rl.rewards.cache import content_key
from robot_rl.rewards.model import Scores, clip_of
from robot_rl.rewards.payment import payments


@dataclass(frozen=True)
class LabelledBy:
    """Who scored, what should be, and how that pays."""

    identity: str
    goal: str
    reward: RewardConfig


class LabelFile:
    """`labels.NAME.jsonl` in a folder of episodes. Raises `CorruptFileError` for a damaged one."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"labels.{name}.jsonl"
        self.by: LabelledBy | None = None
        self._scores: dict[str, Scores] = {}
        for row in self._rows():
            self._take(row)

    def __len__(self) -> int:
        return len(self._scores)

    def of(self, episode: StoredEpisode) -> Scores | None:
        """None where it has not been scored as it is."""
        return self._scores.get(_key(episode))

    def paid(self, episode: StoredEpisode) -> np.ndarray:
        """float32 [T]: what its steps are worth. Raises `ConfigError` where nobody scored it."""
        scores = self.of(episode)
        if scores is None or self.by is None:
            raise ConfigError(
                f"episode {episode.name} has no label in {self.path}. Label it: robot-rl rewards "
                f"label {self.path.parent} reward=NAME"
            )
        paid = np.array([step.reward for step in episode.steps], np.float32)
        own = self.by.reward.own_share * paid
        return payments(scores, own, self.by.reward)

    def begin(self, by: LabelledBy) -> None:
        """Append from here on. Raises `ConfigError` where somebody else scored before."""
        if self.by is not None and (self.by.identity, self.by.goal) != (by.identity, by.goal):
            raise ConfigError(
                f"{self.path} was labelled by {self.by.identity} for '{self.by.goal}', and this "
                f"is {by.identity} for '{by.goal}'. Give these labels another name: --name NAME."
            )
        self._file = JsonLines(self.path)
        if self.by != by:  # how it pays may change; the last line counts
            self._file.write({"by": dataclasses.asdict(by)})
            self.by = by

    def add(self, episode: StoredEpisode, scores: Scores) -> None:
        said = {name: [round(float(v), 5) for v in x] for name, x in vars(scores).items()}
        self._file.write({"episode": episode.name, "content": _key(episode), **said})
        self._scores[_key(episode)] = scores

    def close(self) -> None:
        self._file.close()

    def _rows(self) -> list[dict[str, Any]]:
        try:
            return list(read_json_lines(self.path))
        except CorruptFileError as error:
            raise CorruptFileError(
                f"{error}. Delete it and label again: what is scored is "
                "cached where a server was asked."
            ) from error

    def _take(self, row: Mapping[str, Any]) -> None:
        if "by" in row:
            reward = from_tree(RewardConfig, dict(row["by"]["reward"]), "reward")
            self.by = LabelledBy(row["by"]["identity"], row["by"]["goal"], reward)
            return
        parts = (np.array(row[field.name], np.float32) for field in dataclasses.fields(Scores))
        self._scores[row["content"]] = Scores(*parts)


def _key(episode: StoredEpisode) -> str:
    """Of what was seen in it."""
    clip = clip_of(episode.obs)
    return content_key(*(part for name in sorted(clip) for part in (name, clip[name]))).hex()

"""`robot-rl rewards label`: score stored episodes, once each."""

import argparse
import contextlib
from pathlib import Path

from robot_rl.build.compose import compose
from robot_rl.episodes.folder import EpisodesFolder
from robot_rl.errors import ConfigError
from robot_rl.rewards.labels import LabelFile, LabelledBy
from robot_rl.rewards.model import clip_of
from robot_rl.rewards.progress_table import write
from robot_rl.rewards.registry import make_reward
from robot_rl.rewards.sentences import goal_of


def run(arguments: argparse.Namespace) -> int:
    config = compose(arguments.overrides).task.reward_model
    if not config.present:
        raise ConfigError("no reward was named: reward=NAME of `robot-rl list rewards`.")
    folder = EpisodesFolder(Path(arguments.folder))
    interface = folder.interface()
    model = make_reward(config, interface)
    goal = goal_of(interface.task, config.goal, model.reads)
    labels = LabelFile(folder.root, arguments.name or config.name)
    labels.begin(LabelledBy(model.identity, goal, config))
    new = 0
    with contextlib.closing(labels):
        for episode in folder.episodes():
            if episode.steps and labels.of(episode) is None:
                labels.add(episode, model.score(clip_of(episode.obs), goal))
                new += 1
    if arguments.parquet:
        scored = [episode for episode in folder.episodes() if episode.steps]
        write(labels, scored, Path(arguments.parquet))
    print(f"{new} episodes labelled, {len(labels) - new} were already: {labels.path}")
    print(f"learn from them: demos=[{folder.root}] demo_labels={arguments.name or config.name}")
    return 0

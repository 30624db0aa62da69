"""`robot-rl rewards import`: progress that somebody else labelled, from lerobot's table."""

import argparse
from pathlib import Path

from robot_rl.episodes.folder import EpisodesFolder
from robot_rl.rewards.labels import LabelFile
from robot_rl.rewards.progress_table import read


def run(arguments: argparse.Namespace) -> int:
    folder = EpisodesFolder(Path(arguments.folder))
    episodes = [episode for episode in folder.episodes() if episode.steps]
    labels = LabelFile(folder.root, arguments.name)
    print(f"{read(Path(arguments.parquet), labels, episodes)} episodes labelled: {labels.path}")
    print(f"learn from them: demos=[{folder.root}] demo_labels={arguments.name}")
    return 0

"""`robot-rl classifier`: learn to see success from labelled episodes."""

import argparse
import dataclasses
from pathlib import Path

from robot_rl.episodes.folder import EpisodesFolder
from robot_rl.rewards.classifier import save
from robot_rl.rewards.classifier_training import ClassifierConfig, train_classifier


def run(arguments: argparse.Namespace) -> int:
    folders = [EpisodesFolder(Path(path)) for path in arguments.folders]
    interface = folders[0].interface()
    for folder in folders[1:]:
        folder.interface().require_equal(interface, f"{folder.root}, beside {folders[0].root},")
    episodes = [episode for folder in folders for episode in folder.episodes() if episode.steps]
    config = ClassifierConfig(encoder=arguments.encoder, seed=arguments.seed)
    classifier, report = train_classifier(episodes, interface, config)
    save(classifier, config.encoder, Path(arguments.out), dataclasses.asdict(report))
    print(
        f"precision {report.precision:.3f}, recall {report.recall:.3f} on held-out episodes "
        f"({report.positives} frames of success, {report.negatives} others), threshold "
        f"{report.threshold:.2f}, {report.train_s:.0f} s"
    )
    print(f"use it as reward: task.classifier={arguments.out}")
    return 0

"""`robot-rl classifier`: learn to see success from labelled episodes."""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode
from robot_rl.rewards.classifier import save
from robot_rl.rewards.classifier_training import ClassifierConfig, train_classifier

_WANTED_PRECISION = 0.95


def run(arguments: argparse.Namespace) -> int:
    import torch

    torch.set_num_threads(arguments.threads)
    labelled = [EpisodesFolder(Path(path)) for path in arguments.folders]
    failed = [EpisodesFolder(Path(path)) for path in arguments.negatives]
    interface = labelled[0].interface()
    for folder in (*labelled[1:], *failed):
        folder.interface().require_equal(interface, f"{folder.root}, beside {labelled[0].root},")
    episodes = [*_episodes(labelled), *map(without_success, _episodes(failed))]
    print(f"learning from {len(episodes)} episodes", flush=True)
    config = ClassifierConfig(encoder=arguments.encoder, seed=arguments.seed)
    classifier, report = train_classifier(episodes, interface, config)
    save(classifier, config.encoder, Path(arguments.out), dataclasses.asdict(report))
    print(
        f"precision {report.precision:.3f}, recall {report.recall:.3f} on held-out episodes "
        f"({report.positives} frames of success, {report.negatives} others), threshold "
        f"{report.threshold:.2f}, {report.train_s:.0f} s"
    )
    if report.precision < _WANTED_PRECISION:
        print("too many false alarms for a reward: record more of what is mistaken for success")
    print(f"use it: reward=classifier task.reward_model.settings.folder={arguments.out}")
    return 0


def _episodes(folders: Sequence[EpisodesFolder]) -> Iterator[StoredEpisode]:
    return (episode for folder in folders for episode in folder.episodes() if episode.steps)


def without_success(episode: StoredEpisode) -> StoredEpisode:
    """`episode` with nothing paid."""
    unpaid = [dataclasses.replace(step, reward=0.0) for step in episode.steps]
    return dataclasses.replace(episode, steps=unpaid)

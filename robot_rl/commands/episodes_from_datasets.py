"""`robot-rl episodes import` of datasets of lerobot and robomimic."""

import argparse
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from robot_rl.commands import episodes_from_bags
from robot_rl.commands.eval import policy_folder
from robot_rl.episodes.folder import create, write_episode
from robot_rl.episodes.lerobot_reader import LeRobotFolder
from robot_rl.episodes.robomimic_reader import RobomimicFile
from robot_rl.errors import ConfigError, RunDirectoryError
from robot_rl.folders import replacing
from robot_rl.types import Interface

_HDF5 = (".hdf5", ".h5")


def import_any(arguments: argparse.Namespace) -> int:
    """Datasets by what they are, all else as bags."""
    paths = [Path(source) for source in arguments.sources]
    datasets = [path for path in paths if _is_dataset(path)]
    if not datasets:
        return episodes_from_bags.import_bags(arguments)
    if len(datasets) < len(paths):
        raise ConfigError("bags and datasets are imported one kind at a time.")
    return import_datasets(arguments, paths)


def import_datasets(arguments: argparse.Namespace, paths: Sequence[Path]) -> int:
    """All of them, or none where one does not fit."""
    out, cameras = Path(arguments.out), _cameras(arguments.cameras or [])
    if out.exists() and any(out.iterdir()):
        raise RunDirectoryError(f"{out} is not empty; give a new folder with --out.")
    given = policy_folder(Path(arguments.policy)).interface() if arguments.policy else None
    sources = [_opened(path, cameras) for path in paths]
    interface = given or _own(sources[0], paths[0])
    count = steps = 0
    with replacing(out) as folder, contextlib.closing(create(folder, interface)) as journal:
        for path, source in zip(paths, sources, strict=True):
            for foreign in source.episodes(interface):
                episode = foreign.stored(f"0/{count}", interface, str(path), arguments.success)
                write_episode(journal, episode)
                count, steps = count + 1, steps + len(episode.steps)
    print(f"{count} episodes, {steps:,} steps in {out}")
    return 0


def _is_dataset(path: Path) -> bool:
    return path.suffix in _HDF5 or (path / "meta" / "info.json").exists()


def _opened(path: Path, cameras: Mapping[str, str]) -> LeRobotFolder | RobomimicFile:
    return (RobomimicFile if path.suffix in _HDF5 else LeRobotFolder)(path, cameras)


def _own(source: LeRobotFolder | RobomimicFile, path: Path) -> Interface:
    interface = source.interface()
    if interface is None:
        raise ConfigError(
            f"{path} does not say what its numbers mean. Give --policy FOLDER of a policy whose "
            "cameras, proprio and actions it has."
        )
    return interface


def _cameras(texts: Sequence[str]) -> dict[str, str]:
    """Our names to theirs."""
    pairs = [text.partition("=") for text in texts]
    for text, (name, _, column) in zip(texts, pairs, strict=True):
        if not name or not column:
            raise ConfigError(f"--camera {text}: give NAME=COLUMN, ours and the dataset's.")
    return {name: column for name, _, column in pairs}

"""`robot-rl episodes`: recorded episodes, from wherever they come."""

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode, create, write_episode
from robot_rl.errors import ConfigError, RunDirectoryError, UnknownNameError
from robot_rl.types import Interface


def run(arguments: argparse.Namespace) -> int:
    from robot_rl.commands import episodes_from_bags, episodes_from_datasets

    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "import": episodes_from_datasets.import_any,
        "evaluate": episodes_from_bags.evaluate,
        "list": list_episodes,
        "show": show,
        "check": check,
        "merge": merge,
        "export": export,
    }
    return actions[arguments.action](arguments)


def list_episodes(arguments: argparse.Namespace) -> int:
    table = Table(box=None, pad_edge=False)
    for column in ("episode", "steps", "seconds", "return", "end", "commanded by"):
        table.add_column(column, justify="left" if column in ("end", "commanded by") else "right")
    folder = EpisodesFolder(Path(arguments.folder))
    rate_hz = folder.interface().control_rate_hz
    for episode in folder.episodes():
        steps = len(episode.steps)
        table.add_row(
            episode.name,
            str(steps),
            f"{steps / rate_hz:.1f}",
            f"{episode.episode_return:.2f}",
            _end(episode),
            sources(episode),
        )
    Console(width=110).print(table)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """A video of one episode, or of all of them in a row."""
    from robot_rl.analysis.video import write_mp4
    from robot_rl.episodes.film import film

    folder = EpisodesFolder(Path(arguments.folder))
    wanted = [e for e in folder.episodes() if arguments.episode in ("", e.name) and e.steps]
    if not wanted and arguments.episode:
        names = [episode.name for episode in folder.episodes()]
        raise UnknownNameError("episode", arguments.episode, names)
    if not wanted:
        raise RunDirectoryError(f"{folder.root} holds no episode with a step in it.")
    frames = [frame for episode in wanted for frame in film(episode)]
    write_mp4(Path(arguments.out), frames, folder.interface().control_rate_hz)
    print(f"{len(wanted)} episodes, {len(frames)} frames in {arguments.out}")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """One line per finding; 1 where there is any. Folders must share one interface."""
    from robot_rl.episodes import check as checks

    folders = [EpisodesFolder(Path(path)) for path in arguments.folders]
    _require_one_interface(folders)
    found = count = 0
    for folder in folders:
        for episode in folder.episodes():
            count += 1
            for finding in checks.check(episode, folder.interface()):
                found += 1
                print(f"{folder.root}  {finding.episode}: {finding.what}")
    print(f"{count} episodes checked, {found} findings")
    return int(found > 0)


def merge(arguments: argparse.Namespace) -> int:
    """All episodes of several folders into a new one."""
    folders = [EpisodesFolder(Path(path)) for path in arguments.folders]
    interface = _require_one_interface(folders)
    out = Path(arguments.out)
    if out.exists() and any(out.iterdir()):
        raise RunDirectoryError(f"{out} is not empty; give a new folder with --out.")
    journal = create(out, interface)
    count = 0
    for episode in itertools.chain.from_iterable(folder.episodes() for folder in folders):
        if episode.finished or not arguments.finished_only:
            write_episode(journal, episode)
            count += 1
    journal.close()
    print(f"{count} episodes in {out}")
    return 0


def export(arguments: argparse.Namespace) -> int:
    from robot_rl.episodes import lerobot, robomimic

    folder = EpisodesFolder(Path(arguments.folder))
    writers = {"lerobot": lerobot.export, "robomimic": robomimic.export}
    count = writers[arguments.format](_with_steps(folder), folder.interface(), Path(arguments.out))
    print(f"{count} episodes in {arguments.out} ({arguments.format})")
    return 0


def sources(episode: StoredEpisode) -> str:
    """Who commanded how many steps."""
    by = Counter(step.source for step in episode.steps)
    return ", ".join(f"{count} by {source}" for source, count in by.most_common())


def _with_steps(folder: EpisodesFolder) -> Iterator[StoredEpisode]:
    return (episode for episode in folder.episodes() if episode.steps)


def _end(episode: StoredEpisode) -> str:
    if not episode.finished:
        return "unfinished"
    last = episode.steps[-1]
    return "time is up" if last.truncated else "success" if last.reward > 0 else "failure"


def _require_one_interface(folders: list[EpisodesFolder]) -> Interface:
    if not folders:
        raise ConfigError("name at least one folder of episodes.")
    first = folders[0].interface()
    for folder in folders[1:]:
        folder.interface().require_equal(first, f"{folder.root}, beside {folders[0].root},")
    return first

"""`robot-rl rewards episodes`: successes, near misses, the wrong place or object, nothing done."""

import argparse
import contextlib
import itertools
from pathlib import Path

from robot_rl.build.compose import compose
from robot_rl.episodes.folder import EpisodesFolder, create, write_episode
from robot_rl.errors import ConfigError
from robot_rl.rewards.outcomes import SHOWN, SUCCESS, OutcomePlayer


def run(arguments: argparse.Namespace) -> int:
    if arguments.each < 1:
        raise ConfigError(f"--each is {arguments.each}; it must be at least 1.")
    config = compose(arguments.overrides)
    if config.robot.present:
        raise ConfigError(
            "the outcomes are played in simulation. On a robot record your own: robot-rl collect "
            "--keep-failures"
        )
    out = Path(arguments.out)
    player = OutcomePlayer(config.task, config.render, config.seed)
    with contextlib.closing(player):
        for outcome in player.outcomes:
            kept = _fill(player, outcome, out / outcome, arguments.each)
            print(f"{kept:4d}  {outcome}", flush=True)
        kept = _fill(player, SUCCESS, out / SHOWN, arguments.each, part=1)
        print(f"{kept:4d}  {SHOWN}: successes to show, not to judge by")
    return 0


def _fill(player: OutcomePlayer, outcome: str, folder: Path, wanted: int, part: int = 0) -> int:
    """Episodes in `folder`, after those that it holds already."""
    journal = create(folder, player.env.interface)
    kept = sum(1 for _ in EpisodesFolder(folder).episodes()) if journal.steps else 0
    with contextlib.closing(journal):
        new = player.episodes(outcome, kept, part)
        for episode in itertools.islice(new, max(0, wanted - kept)):
            write_episode(journal, episode)
            kept += 1
    return kept

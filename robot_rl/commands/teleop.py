"""`robot-rl teleop`: drive a task's arm yourself; with `--out` what you do is recorded."""

import argparse
import dataclasses
import tempfile
from pathlib import Path

from robot_rl.build.compose import compose
from robot_rl.commands.collect import collect

_ENDLESS = 1_000_000


def run(arguments: argparse.Namespace) -> int:
    config = compose(arguments.overrides)
    if config.human.device == "none":
        human = dataclasses.replace(config.human, device="web")
        config = dataclasses.replace(config, human=human)
    if arguments.out:
        kept = collect(config, Path(arguments.out), _ENDLESS, keep_failures=True)
        print(f"{kept} episodes in {arguments.out}")
        return 0
    with tempfile.TemporaryDirectory() as nowhere:
        collect(config, Path(nowhere), _ENDLESS, keep_failures=True)
    return 0

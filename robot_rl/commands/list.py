"""`robot-rl list`: what can be named on the command line."""

import argparse
import inspect
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from robot_rl.plugins import Plugins


def run(arguments: argparse.Namespace) -> int:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    listings = {
        "tasks": _tasks,
        "agents": _agents,
        "settings": _settings,
        "rewards": _rewards,
        "sim_arms": _sim_arms,
        "arms": lambda: _drivers("ARMS"),
        "cameras": lambda: _drivers("CAMERAS"),
    }
    for name, text in listings.get(arguments.what, lambda: _options(arguments.what))():
        table.add_row(name, text)
    Console(width=200).print(table)
    return 0


def _tasks() -> list[tuple[str, str]]:
    from sim.registry import list_tasks, missing_suites

    known = [(info.name, info.summary + _told(info.options)) for info in list_tasks()]
    return known + [(f"{name}/...", f"not installed: {how}") for name, how in missing_suites()]


def _told(options: Mapping[str, Any]) -> str:
    told = ", ".join(f"task.options.{name}={value}" for name, value in options.items())
    return f"; {told.lower()}" if told else ""


def _agents() -> list[tuple[str, str]]:
    from robot_rl.agents.base import AGENTS

    return [(name, AGENTS.load(name).summary) for name in AGENTS.names()]


def _rewards() -> list[tuple[str, str]]:
    from robot_rl.rewards.registry import REWARDS

    return _documented(REWARDS)


def _sim_arms() -> list[tuple[str, str]]:
    from sim.arms import ARM_MODELS

    return [(name, ARM_MODELS.load(name).summary) for name in ARM_MODELS.names()]


def _drivers(kind: str) -> list[tuple[str, str]]:
    from hardware import drivers

    return _documented(getattr(drivers, kind))


def _documented(plugins: Plugins) -> list[tuple[str, str]]:
    """Each with the first line that its code says of itself."""
    said = [(name, inspect.getdoc(plugins.load(name)) or "") for name in plugins.names()]
    return [(name, text.partition("\n")[0]) for name, text in said]


def _options(what: str) -> list[tuple[str, str]]:
    """Config files of a group; their first comment is their line."""
    from robot_rl.config.files import option_files

    rows = []
    for name, path in option_files(what.removesuffix("s")).items():
        lines = path.read_text().splitlines()
        comments = [x[1:].strip() for x in lines if x.startswith("#") and "@package" not in x]
        rows.append((name, comments[0] if comments else ""))
    return rows


def _settings() -> list[tuple[str, str]]:
    from robot_rl.build.compose import compose_tree
    from robot_rl.config.schema import flatten

    return [(key, str(value)) for key, value in flatten(compose_tree(())).items()]

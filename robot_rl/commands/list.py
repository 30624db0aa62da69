"""`robot-rl list`: what can be named on the command line."""

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def run(arguments: argparse.Namespace) -> int:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for name, text in {"tasks": _tasks, "agents": _agents, "settings": _settings}.get(
        arguments.what, lambda: _options(arguments.what)
    )():
        table.add_row(name, text)
    Console(width=200).print(table)
    return 0


def _tasks() -> list[tuple[str, str]]:
    from sim.registry import list_tasks

    return [(info.name, info.summary + _told(info.options)) for info in list_tasks()]


def _told(options: Mapping[str, Any]) -> str:
    told = ", ".join(f"task.options.{name}={value}" for name, value in options.items())
    return f"; {told.lower()}" if told else ""


def _agents() -> list[tuple[str, str]]:
    from robot_rl.agents.base import AGENTS

    return [(name, AGENTS.load(name).summary) for name in AGENTS.names()]


def _options(what: str) -> list[tuple[str, str]]:
    """Config files of a group; their first comment is their line."""
    from robot_rl.config.files import config_dir, options

    group = what.removesuffix("s")
    rows = []
    for name in options(group):
        lines = (config_dir() / group / f"{name}.yaml").read_text().splitlines()
        comments = [x[1:].strip() for x in lines if x.startswith("#") and "@package" not in x]
        rows.append((name, comments[0] if comments else ""))
    return rows


def _settings() -> list[tuple[str, str]]:
    from robot_rl.build.compose import compose_tree
    from robot_rl.config.schema import flatten

    return [(key, str(value)) for key, value in flatten(compose_tree(())).items()]

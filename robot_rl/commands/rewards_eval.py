"""`robot-rl rewards eval`: how good rewards are on episodes whose success is known."""

import argparse
import csv
import dataclasses
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from robot_rl.build.compose import compose
from robot_rl.envs.reward import RewardConfig
from robot_rl.errors import ConfigError
from robot_rl.rewards.judging import Verdict, judge
from robot_rl.rewards.outcomes import SHOWN
from robot_rl.rewards.registry import make_reward
from robot_rl.rewards.sentences import goal_of
from robot_rl.rewards.told import told
from robot_rl.types import Interface

_COLUMNS = {
    "order_success": ("order\nsuccess", 2),
    "order_failure": ("order\nfailure", 2),
    "auc": ("AUC", 2),
    "false_positives": ("false\npositives", 2),
    "auc_unlike": ("AUC\nunlike", 2),
    "false_positives_unlike": ("false pos.\nunlike", 2),
    "epic": ("EPIC", 2),
    "ms_per_frame": ("ms a\nframe", 1),
}


def run(arguments: argparse.Namespace) -> int:
    folder = Path(arguments.folder)
    interface, episodes = told(folder)
    unlike = told(Path(arguments.unlike))[1] if arguments.unlike else []
    named = _named(arguments, folder)
    verdicts: dict[str, Verdict] = {}
    curves: dict[str, Any] = {}
    for name, config in named.items():
        verdicts[name], curves[name] = _judged(config, interface, episodes, unlike)
        print(f"judged  {name}", flush=True)
    _print(verdicts)
    if arguments.csv:
        write_csv(verdicts, Path(arguments.csv), interface.task)
    if arguments.picture:
        from robot_rl.analysis.reward_picture import draw

        draw(curves, Path(arguments.picture))
    return 0


def _named(arguments: argparse.Namespace, folder: Path) -> dict[str, RewardConfig]:
    """Every reward that was asked for, and the two that none may be worse than.

    Pixels are compared with successes that are not judged, where there are any.
    """
    asked = [_composed(arguments.overrides)] if arguments.overrides else []
    asked += [_composed(shlex.split(text)) for text in arguments.also]
    if not any(config.present for config in asked):
        raise ConfigError(
            "no reward was named: reward=NAME of `robot-rl list rewards`, and with --also "
            '"reward=NAME task.reward_model.KEY=VALUE" others beside it.'
        )
    floor = [RewardConfig(name="random")]
    if (folder / SHOWN).is_dir():
        pixels = {"encoder": "pixels", "goal": str(folder / SHOWN)}
        floor.append(RewardConfig(name="goal_picture", settings=pixels))
    named: dict[str, RewardConfig] = {}
    for config in (*asked, *floor):
        label, again = _label(config), 2
        while label in named:
            label, again = f"{_label(config)} {again}", again + 1
        named[label] = config
    return named


def _composed(overrides: Sequence[str]) -> RewardConfig:
    return compose(overrides).task.reward_model


def _label(config: RewardConfig) -> str:
    """Its name, and the encoder where it has one."""
    encoder = str(config.settings.get("encoder", "")).partition(":")[0]
    return f"{config.name} {encoder}".strip()


def _judged(
    config: RewardConfig, interface: Interface, episodes: Any, unlike: Any
) -> tuple[Verdict, Any]:
    model = make_reward(config, interface)
    task = goal_of(interface.task, config.goal, model.reads)
    verdict, judged = judge(model, task, episodes, unlike)
    if verdict.constant:
        print(f"warning: {_label(config)} says the same of every picture; nothing is learned by it")
    return verdict, [(j.succeeded, j.scores.progress) for j in judged]


def _print(verdicts: dict[str, Verdict]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("reward")
    for title, _ in _COLUMNS.values():
        table.add_column(title, justify="right")
    for name, verdict in verdicts.items():
        values = (getattr(verdict, column) for column in _COLUMNS)
        shown = (_shown(v, d) for v, (_, d) in zip(values, _COLUMNS.values(), strict=True))
        table.add_row(name, *shown)
    Console(width=140).print(table)


def _shown(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def write_csv(verdicts: dict[str, Verdict], path: Path, task: str) -> None:
    """A row for each; rows of other tasks that are there stay."""
    fields = ["task", "reward", *(f.name for f in dataclasses.fields(Verdict))]
    kept: Sequence[dict[str, Any]] = []
    if path.exists():
        with path.open() as file:
            kept = [row for row in csv.DictReader(file) if row["task"] != task]
    rows = [
        {"task": task, "reward": name, **{k: f"{v:.4g}" for k, v in vars(verdict).items()}}
        for name, verdict in verdicts.items()
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows([*kept, *rows])

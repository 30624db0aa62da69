"""Where metrics go: one JSONL file (the source of every plot), TensorBoard, a live table."""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

_SHOWN = {
    "train/episode_return": "return of the last episodes",
    "train/episode_success": "success of the last episodes",
    "train/intervention_rate": "steps that a human commanded",
    "train/takeovers_per_episode": "takeovers per episode",
    "train/cycle_time_s": "seconds per success",
    "steps/policy": "steps by the policy",
    "steps/human": "steps by a human",
    "steps/random": "steps at random",
    "eval/success_rate": "success on held-out seeds",
    "eval/cycle_time_s": "seconds per success on held-out seeds",
    "eval/return_mean": "return on held-out seeds",
    "train/critic_loss": "critic loss",
    "train/exploration_std": "exploration noise (std)",
    "train/dormant_ratio": "dormant neurons",
    "speed/env_steps_per_s": "environment steps per second",
    "speed/updates_per_s": "updates per second",
}


class JsonLines:
    """Appends one JSON object a line; a line that a killed process left unfinished is cut."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            _cut_torn_line(path)
        self._file = path.open("a", buffering=1)

    def write(self, row: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(row) + "\n")

    def close(self) -> None:
        self._file.close()


class Monitor:
    """Fan-out of scalars. Only a terminal gets the live table; evaluations print a line anyway."""

    def __init__(
        self, run_dir: Path, total_steps: int, step: int, title: str, live: bool | None = None
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.console = Console(stderr=True)
        self._lines = JsonLines(run_dir / "metrics.jsonl")
        self._board = SummaryWriter(str(run_dir / "tensorboard"), purge_step=step)
        self._title = title
        self._latest: dict[str, float] = {}
        self._progress = Progress(
            TextColumn("{task.completed:,.0f} / {task.total:,.0f} steps"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self.console,
            expand=True,
        )
        self._task = self._progress.add_task("train", total=total_steps, completed=step)
        self._live: Live | None = None
        if sys.stderr.isatty() if live is None else live:
            self._live = Live(self._render(), console=self.console, refresh_per_second=4)
            self._live.start()

    def scalars(self, step: int, wall_s: float, values: Mapping[str, float]) -> None:
        self._lines.write({"step": step, "wall_s": round(wall_s, 3), **values})
        for name, value in values.items():
            self._board.add_scalar(name, value, step, walltime=time.time())
        self._latest.update(values)
        self.advance(step)

    def say(self, text: str) -> None:
        """A line above the table."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def advance(self, step: int) -> None:
        self._progress.update(self._task, completed=step)
        if self._live is not None:
            self._live.update(self._render())

    def close(self) -> None:
        if self._live is not None:
            self._live.update(self._render())
            self._live.stop()
        self._lines.close()
        self._board.close()

    def _render(self) -> RenderableType:
        table = Table(title=self._title, title_justify="left", expand=True, box=None)
        table.add_column("measure", style="dim")
        table.add_column("value", justify="right")
        for name, label in _SHOWN.items():
            if name in self._latest:
                table.add_row(label, _format(name, self._latest[name]))
        return Group(table, self._progress)


def _format(name: str, value: float) -> str:
    if "success" in name or name.endswith(("ratio", "_rate")):
        return f"{100 * value:.0f} %"
    if name.startswith("steps/"):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _cut_torn_line(path: Path) -> None:
    data = path.read_bytes()
    complete = data.rfind(b"\n") + 1
    if complete < len(data):
        os.truncate(path, complete)

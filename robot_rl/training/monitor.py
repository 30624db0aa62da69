"""Where metrics go: one JSONL file (the source of every plot), TensorBoard, a live table."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from robot_rl.jsonlines import JsonLines
from robot_rl.measures import Shown


@dataclass(frozen=True)
class Progress:
    """Where a run stands; `wall_s` counts over all its processes, evaluations included."""

    step: int
    updates: int
    wall_s: float

    @property
    def clock(self) -> Literal["step", "update"]:
        """What counts now: before its first step a run has updates alone."""
        return "update" if self.updates and not self.step else "step"

    @property
    def now(self) -> int:
        return self.updates if self.clock == "update" else self.step

    def __str__(self) -> str:
        return f"{self.clock} {self.now:>7,}  {self.wall_s / 60:5.1f} min"


class Monitor:
    """Fan-out of scalars. Only a terminal gets the live table; evaluations print a line anyway.

    `shown` says which metrics the table has and how they read. A run that learns `offline` has its
    updates on TensorBoard's axis, else it is the steps.
    """

    def __init__(
        self,
        run_dir: Path,
        title: str,
        shown: Shown,
        at: Progress,
        offline: bool = False,
        live: bool | None = None,
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.console = Console(stderr=True)
        self._title, self._shown, self._offline = title, shown, offline
        self._lines = JsonLines(run_dir / "metrics.jsonl")
        self._board = SummaryWriter(str(run_dir / "tensorboard"), purge_step=self._axis(at))
        self._latest: dict[str, float] = {}
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self.console,
            expand=True,
        )
        self._task = self._bar.add_task("starting", total=None)
        self._live: Live | None = None
        if sys.stderr.isatty() if live is None else live:
            self._live = Live(self.table(), console=self.console, refresh_per_second=4)
            self._live.start()

    def scalars(self, at: Progress, values: Mapping[str, float]) -> None:
        row = {"step": at.step, "updates": at.updates, "wall_s": round(at.wall_s, 3)}
        self._lines.write({**row, **values})
        for name, value in values.items():
            self._board.add_scalar(name, value, self._axis(at), walltime=time.time())
        self._latest.update(values)

    def say(self, text: str) -> None:
        """A line above the table."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def advance(self, done: int, total: int, unit: str) -> None:
        text = f"{done:,} / {total:,} {unit}"
        self._bar.update(self._task, completed=done, total=total, description=text)
        if self._live is not None:
            self._live.update(self.table())

    def close(self) -> None:
        if self._live is not None:
            self._live.update(self.table())
            self._live.stop()
        self._lines.close()
        self._board.close()

    def _axis(self, at: Progress) -> int:
        return at.updates if self._offline else at.step

    def table(self) -> RenderableType:
        """The newest values of what is shown, above the bar."""
        table = Table(title=self._title, title_justify="left", expand=True, box=None)
        table.add_column("measure", style="dim")
        table.add_column("value", justify="right")
        for name, measure in self._shown.items():
            if name in self._latest:
                table.add_row(measure.label, measure.text(self._latest[name]))
        return Group(table, self._bar)

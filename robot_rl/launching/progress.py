"""How far every run of a sweep is, read from the runs' own folders: wherever they are computed."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from robot_rl.launching.jobs import Job, State

_COLOUR: Mapping[State, str] = {"done": "green", "failed": "red", "running": "cyan"}


class Progress:
    """The newest value of every metric of one run."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._metrics = job.run_dir / "metrics.jsonl"
        self._read = 0
        self._latest: dict[str, float] = {}

    def refresh(self) -> bool:
        """Read what was written since; whether an evaluation was among it."""
        if not self._metrics.exists():
            return False
        with self._metrics.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        rows: list[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]
        for row in rows:
            self._latest |= row
        return any("eval/return_mean" in row for row in rows)

    @property
    def at(self) -> str:
        unit = "steps" if self.job.clock == "step" else "updates"
        return f"{int(self._latest.get(self.job.clock, 0)):,} / {self.job.total:,} {unit}"

    @property
    def minutes(self) -> str:
        return f"{self._latest.get('wall_s', 0.0) / 60:.1f}"

    @property
    def score(self) -> str:
        """Of the last evaluation."""
        if "eval/success_rate" in self._latest:
            return f"{100 * self._latest['eval/success_rate']:.0f} %"
        if "eval/return_mean" in self._latest:
            return f"{self._latest['eval/return_mean']:.1f}"
        return ""


def table(title: str, states: Mapping[Job, State], progress: Iterable[Progress]) -> Table:
    """A row for each run."""
    rows = Table(title=title, title_justify="left", box=None)
    rows.add_column("run", overflow="fold")
    rows.add_column("")
    rows.add_column("progress", justify="right")
    rows.add_column("min", justify="right")
    rows.add_column("success, or return", justify="right")
    for run in progress:
        state = states[run.job]
        words = f"[{_COLOUR[state]}]{state}[/]" if state in _COLOUR else state
        rows.add_row(run.job.name, words, run.at, run.minutes, run.score)
    return rows

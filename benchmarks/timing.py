"""Timing and the one table that every benchmark prints."""

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measured figure and, where there is one, the bar it must reach."""

    what: str
    value: float
    unit: str
    bar: str = ""


def median_s(call: Callable[[], object], seconds: float = 2.0, warm_up: int = 3) -> float:
    """Median duration of `call`, repeated for about `seconds`."""
    for _ in range(warm_up):
        call()
    times: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(times) < 3:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def show(title: str, rows: Sequence[Row]) -> None:
    table = Table(title=title, title_justify="left", box=None)
    for column, side in (
        ("what", "left"),
        ("measured", "right"),
        ("unit", "left"),
        ("bar", "left"),
    ):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(row.what, f"{row.value:,.4g}", row.unit, row.bar)
    Console(width=110).print(table)


def write_csv(path: Path, measured: Mapping[str, Sequence[Row]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("benchmark", "what", "value", "unit", "bar"))
        for name, rows in measured.items():
            for row in rows:
                writer.writerow((name, row.what.strip(), f"{row.value:.4g}", row.unit, row.bar))

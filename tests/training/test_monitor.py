"""The live table, the JSON lines and the clocks they are written along."""

import io
import json

import pytest
from rich.console import Console

from robot_rl.jsonlines import JsonLines
from robot_rl.measures import Measure, named
from robot_rl.training.monitor import Monitor, Progress

SHOWN = {
    "eval/success_rate": Measure("success on held-out seeds", "share"),
    "steps/policy": Measure("steps by the policy", "count"),
    **named("train/", {"critic_loss": Measure("critic loss")}),
}


def test_the_table_has_what_was_declared_in_that_order(tmp_path):
    monitor = Monitor(tmp_path, "arm/reach", SHOWN, Progress(0, 0, 0.0), live=False)
    values = {"train/critic_loss": 0.25, "train/q": 1.0, "steps/policy": 1234.0}
    monitor.scalars(Progress(1500, 900, 61.0), values)
    monitor.scalars(Progress(1600, 950, 62.0), {"eval/success_rate": 0.955})
    monitor.advance(1600, 20_000, "steps")
    text = io.StringIO()
    Console(file=text, width=70).print(monitor.table())
    monitor.close()
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert lines[:5] == [
        "arm/reach",
        "measure value",
        "success on held-out seeds 96 %",
        "steps by the policy 1,234",
        "critic loss 0.250",
    ]
    assert lines[5].startswith("1,600 / 20,000 steps")
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[0] == {"step": 1500, "updates": 900, "wall_s": 61.0, **values}


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(0, 0, 0.0), "step       0    0.0 min"),
        (Progress(0, 8000, 90.0), "update   8,000    1.5 min"),  # before its first step
        (Progress(1200, 8000, 90.0), "step   1,200    1.5 min"),
    ],
)
def test_a_run_tells_where_it_stands(progress, text):
    assert str(progress) == text


def test_a_torn_line_of_metrics_is_cut(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"a": 1}\n{"a": 2, "b"')
    lines = JsonLines(path)
    lines.write({"a": 3})
    lines.close()
    assert [json.loads(line)["a"] for line in path.read_text().splitlines()] == [1, 3]

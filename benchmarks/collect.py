"""Turn finished runs into a committed result: `python -m benchmarks.collect NAME RUN_DIR...`.

Writes `results/NAME.csv` (every evaluation) and `results/NAME.png` (over steps and minutes).
"""

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from robot_rl.analysis.curves import grouped, plot_runs, read_curve
from robot_rl.build.config import RESUMABLE

RESULTS = Path(__file__).parent / "results"
_COLUMNS: tuple[str, ...] = (
    "task",
    "agent",
    "seed",
    "env_steps",
    "env_frames",
    "wall_s",
    "episodes",
    "return_mean",
    "return_low",
    "return_high",
    "success_rate",
    "success_low",
    "success_high",
    "cycle_time_s",
    "taught",
    "intervention_rate",
    "settings",
)


def rows(run_dir: Path, settings: str) -> list[dict[str, Any]]:
    """One row per evaluation of a run; `settings` tells it from others of its agent."""
    tree = yaml.safe_load((run_dir / "config.yaml").read_text())
    found: list[dict[str, Any]] = []
    last: tuple[int, dict[str, Any]] | None = None
    taught, interventions = read_curve(run_dir).taught.strip(" +"), ""
    for line in (run_dir / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        interventions = row.get("train/intervention_rate", interventions)
        if "eval/return_mean" not in row:
            continue
        measures = {k.removeprefix("eval/"): v for k, v in row.items() if k.startswith("eval/")}
        if (row["step"], measures) == last:
            continue  # a finished run that was started again evaluates the same once more
        last = row["step"], measures
        found.append(
            {
                "task": tree["task"]["name"],
                "agent": tree["agent"]["name"],
                "seed": tree["seed"],
                "env_steps": row["step"],
                "env_frames": row["step"] * tree["task"]["action_repeat"],
                "wall_s": row["wall_s"],
                "taught": taught,
                "intervention_rate": interventions,
                "settings": settings,
                **{k: round(v, 4) for k, v in measures.items() if k in _COLUMNS},
            }
        )
    return found


def told_apart(run_dirs: Sequence[Path]) -> list[str]:
    curves = [read_curve(run_dir, RESUMABLE) for run_dir in run_dirs]
    texts = {id(c): text for (_, _, text), members in grouped(curves).items() for c in members}
    return [texts[id(curve)].strip(", ") for curve in curves]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("run_dirs", nargs="+", type=Path)
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{arguments.name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for run_dir, settings in zip(
            arguments.run_dirs, told_apart(arguments.run_dirs), strict=True
        ):
            writer.writerows(rows(run_dir, settings))
    plot_runs(arguments.run_dirs, RESULTS / f"{arguments.name}.png", "step", RESUMABLE)
    plot_runs(arguments.run_dirs, RESULTS / f"{arguments.name}-minutes.png", "minutes", RESUMABLE)


if __name__ == "__main__":
    main()

"""Learning curves of finished or running runs, drawn from their JSONL files."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from robot_rl.analysis.stats import bootstrap_interval
from robot_rl.errors import RunDirectoryError

Axis = Literal["step", "minutes"]
_BINS = 24


@dataclass(frozen=True)
class Curve:
    """Evaluations of one run. `score` is the success rate where there is one, else the return."""

    task: str
    agent: str
    seed: int
    step: np.ndarray
    minutes: np.ndarray
    score: np.ndarray
    is_success: bool


def read_curve(run_dir: Path) -> Curve:
    """Raises `RunDirectoryError` where `run_dir` holds no run or no evaluation yet."""
    metrics, config = run_dir / "metrics.jsonl", run_dir / "config.yaml"
    if not metrics.exists() or not config.exists():
        raise RunDirectoryError(f"{run_dir} holds no run: metrics.jsonl or config.yaml is missing.")
    # The last evaluation of a step counts: the final one has the most episodes.
    by_step = {row["step"]: row for row in _rows(metrics) if "eval/return_mean" in row}
    rows = list(by_step.values())
    if not rows:
        raise RunDirectoryError(f"the run in {run_dir} has no evaluation yet.")
    tree = yaml.safe_load(config.read_text())
    is_success = all("eval/success_rate" in row for row in rows)
    key = "eval/success_rate" if is_success else "eval/return_mean"
    return Curve(
        task=tree["task"]["name"],
        agent=tree["agent"]["name"],
        seed=tree["seed"],
        step=np.array([row["step"] for row in rows]),
        minutes=np.array([row["wall_s"] / 60 for row in rows]),
        score=np.array([row[key] for row in rows]),
        is_success=is_success,
    )


def plot_runs(run_dirs: Sequence[Path], out: Path, x: Axis) -> None:
    """One line per task and agent: the mean over seeds with its 95 % bootstrap interval."""
    plot_curves([read_curve(run_dir) for run_dir in run_dirs], out, x)


def plot_curves(curves: Sequence[Curve], out: Path, x: Axis) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    groups: dict[str, list[Curve]] = defaultdict(list)
    for curve in curves:
        groups[f"{curve.agent} on {curve.task}"].append(curve)
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for label, members in sorted(groups.items()):
        _draw(axes, label, members, x)
    is_success = all(curve.is_success for curve in curves)
    axes.set_xlabel("environment steps" if x == "step" else "wall-clock, minutes")
    axes.set_ylabel("success rate on held-out seeds" if is_success else "evaluation return")
    if is_success:
        axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    pyplot.close(figure)


def _draw(axes: "object", label: str, members: Sequence[Curve], x: Axis) -> None:
    if len(members) == 1:
        axes.plot(getattr(members[0], x), members[0].score, label=label)  # type: ignore[attr-defined]
        return
    end = min(getattr(curve, x)[-1] for curve in members)
    start = max(getattr(curve, x)[0] for curve in members)
    grid = np.linspace(start, end, _BINS)
    scores = np.array([np.interp(grid, getattr(curve, x), curve.score) for curve in members])
    low, high = np.array([bootstrap_interval(column) for column in scores.T]).T
    text = f"{label} ({len(members)} seeds)"
    (line,) = axes.plot(grid, scores.mean(axis=0), label=text)  # type: ignore[attr-defined]
    axes.fill_between(grid, low, high, color=line.get_color(), alpha=0.2)  # type: ignore[attr-defined]


def _rows(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]

"""Learning curves of finished or running runs, drawn from their JSONL files."""

import json
import textwrap
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from robot_rl.analysis.settings import set_apart
from robot_rl.analysis.stats import bootstrap_interval
from robot_rl.config.schema import flatten
from robot_rl.errors import RunDirectoryError

Axis = Literal["step", "updates", "minutes"]
_LABELS = {
    "step": "environment steps",
    "updates": "gradient updates",
    "minutes": "wall-clock, minutes",
}
_BINS = 24
_EVALUATED = "eval/return_mean"
_LABEL_INSIDE, _LABEL_BELOW, _LINE_INCHES = 60, 85, 0.18


@dataclass(frozen=True)
class Curve:
    """Evaluations of one run. `score` is the success rate where there is one, else the return.

    `settings` are the leaves of its configuration by dotted path.

    `taught` says what it learned with beside its own steps. `interventions` is the share of steps
    that a human commanded in the last episodes, on clocks of its own. A run without a step of its
    own has `updates` alone.
    """

    task: str
    agent: str
    taught: str
    seed: int
    step: np.ndarray
    updates: np.ndarray
    minutes: np.ndarray
    score: np.ndarray
    is_success: bool
    interventions: "Interventions | None"
    settings: Mapping[str, Any]

    @property
    def learner(self) -> str:
        return f"{self.agent}{self.taught}"

    @property
    def beginning(self) -> str:
        """What the policy was before the first step; empty where it was not evaluated then."""
        before = self.updates[self.step == 0]
        if not before.size:
            return ""
        return f"{before[-1]:,} updates on demonstrations" if before[-1] else "untrained weights"


@dataclass(frozen=True)
class Interventions:
    step: np.ndarray
    updates: np.ndarray
    minutes: np.ndarray
    rate: np.ndarray


def read_curve(run_dir: Path, bookkeeping: Collection[str] = ()) -> Curve:
    """Of one run; `bookkeeping` names settings that do not change what a run learns.

    Raises `RunDirectoryError` where `run_dir` holds no run or no evaluation yet.
    """
    metrics, config = run_dir / "metrics.jsonl", run_dir / "config.yaml"
    if not metrics.exists() or not config.exists():
        raise RunDirectoryError(f"{run_dir} holds no run: metrics.jsonl or config.yaml is missing.")
    # The last evaluation at one place counts: the final one has the most episodes.
    lines = _rows(metrics)
    places = {(row["step"], row.get("updates")): row for row in lines if _EVALUATED in row}
    rows = list(places.values())
    if not rows:
        raise RunDirectoryError(f"the run in {run_dir} has no evaluation yet.")
    tree = yaml.safe_load(config.read_text())
    is_success = all("eval/success_rate" in row for row in rows)
    key = "eval/success_rate" if is_success else "eval/return_mean"
    return Curve(
        task=tree["task"]["name"],
        agent=tree["agent"]["name"],
        taught=_taught(tree),
        seed=tree["seed"],
        **_clocks(rows),
        score=np.array([row[key] for row in rows]),
        is_success=is_success,
        interventions=_interventions(lines),
        settings={k: v for k, v in flatten(tree).items() if k not in bookkeeping},
    )


def _taught(tree: dict[str, Any]) -> str:
    demos = " + demonstrations" if tree.get("demos") else ""
    human = tree.get("human", {}).get("device", "none") != "none"
    return demos + (" + human" if human else "")


def _interventions(lines: list[dict[str, float]]) -> Interventions | None:
    rows = [row for row in lines if "train/intervention_rate" in row]
    if not any(row["train/intervention_rate"] for row in rows):
        return None
    rate = np.array([row["train/intervention_rate"] for row in rows])
    return Interventions(**_clocks(rows), rate=rate)


def _clocks(rows: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "step": np.array([row["step"] for row in rows]),
        # Runs from before they were counted here have steps.
        "updates": np.array([row.get("updates", 0) for row in rows]),
        "minutes": np.array([row["wall_s"] / 60 for row in rows]),
    }


def is_evaluated(run_dir: Path) -> bool:
    """Whether the run has a curve."""
    metrics = run_dir / "metrics.jsonl"
    return metrics.exists() and any(_EVALUATED in row for row in _rows(metrics))


def plot_runs(
    run_dirs: Sequence[Path], out: Path, x: Axis, bookkeeping: Collection[str] = ()
) -> None:
    """`plot_curves` of what `read_curve` reads."""
    plot_curves([read_curve(run_dir, bookkeeping) for run_dir in run_dirs], out, x)


def plot_curves(curves: Sequence[Curve], out: Path, x: Axis) -> None:
    """One line per task, agent, teaching and settings: the mean over seeds with its 95 % bootstrap
    interval.

    Dashed: the share of steps that a human commanded.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    x = axis_of(curves, x)
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for label, members in sorted(group_by_label(curves).items()):
        _draw(axes, label, members, x)
    is_success = all(curve.is_success for curve in curves)
    axes.set_xlabel(f"{_LABELS[x]}{_at_zero(curves)}")
    axes.set_ylabel("success rate on held-out seeds" if is_success else "evaluation return")
    if is_success:
        axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)
    _explain(figure, axes)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    pyplot.close(figure)


def _at_zero(curves: Sequence[Curve]) -> str:
    """What the policies were where the curves begin."""
    found = sorted({curve.beginning for curve in curves if curve.beginning})
    return f" (0: {' or '.join(found)})" if found else ""


def axis_of(curves: Sequence[Curve], x: Axis) -> Axis:
    """Updates in place of steps where nobody took one."""
    return "updates" if x == "step" and not any(c.step.any() for c in curves) else x


def _explain(figure: Any, axes: Any) -> None:
    """The legend, below the picture where it would cover the curves."""
    handles, labels = axes.get_legend_handles_labels()
    if max(map(len, labels)) <= _LABEL_INSIDE:
        axes.legend(frameon=False)
        return
    wrapped = [textwrap.fill(label, _LABEL_BELOW) for label in labels]
    lines = sum(text.count("\n") + 1 for text in wrapped)
    figure.set_figheight(figure.get_figheight() + _LINE_INCHES * lines)
    figure.legend(handles, wrapped, loc="outside lower center", frameon=False, fontsize="small")


def group_by_label(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """Runs that differ in their seed alone, under a label that tells them from the others."""
    return {
        f"{learner} on {task}{text}": members
        for (task, learner, text), members in grouped(curves).items()
    }


def grouped(curves: Sequence[Curve]) -> dict[tuple[str, str, str], list[Curve]]:
    """The same by task, by who learned, and by what sets it apart from others there."""
    alike: dict[tuple[str, str], list[Curve]] = defaultdict(list)
    for curve in curves:
        alike[curve.task, curve.learner].append(curve)
    groups: dict[tuple[str, str, str], list[Curve]] = defaultdict(list)
    for (task, learner), members in alike.items():
        for curve, text in zip(members, set_apart([m.settings for m in members]), strict=True):
            groups[task, learner, text].append(curve)
    return groups


def _draw(axes: Any, label: str, members: Sequence[Curve], x: Axis) -> None:
    grid, scores = _on_one_grid([points(curve, x) for curve in members])
    kind = "seeds" if len({curve.seed for curve in members}) == len(members) else "runs"
    text = f"{label} ({len(members)} {kind})" if len(members) > 1 else label
    # Cloning without a step of its own is a point, not a curve.
    mark = "o" if np.ptp(grid) == 0 else "-"
    (line,) = axes.plot(grid, scores.mean(axis=0), mark, label=text)
    if len(members) > 1:
        low, high = np.array([bootstrap_interval([column]) for column in scores.T]).T
        axes.fill_between(grid, low, high, color=line.get_color(), alpha=0.2)
    helped = [curve.interventions for curve in members if curve.interventions is not None]
    if helped and all(curve.is_success for curve in members):
        grid, rates = _on_one_grid([(getattr(i, x), i.rate) for i in helped])
        axes.plot(
            grid,
            rates.mean(axis=0),
            "--",
            color=line.get_color(),
            label="  steps commanded by the human",
        )


def points(curve: Curve, x: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Where `x` stood still while it learned, as the steps do offline, the last score counts."""
    at, last = np.unique(getattr(curve, x)[::-1], return_index=True)
    return at, curve.score[::-1][last]


def _on_one_grid(
    members: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """(grid [G], values [members, G]) where all have some; one alone keeps its own points."""
    if len(members) == 1:
        return members[0][0], members[0][1][None]
    grid = np.linspace(max(at[0] for at, _ in members), min(at[-1] for at, _ in members), _BINS)
    return grid, np.array([np.interp(grid, at, values) for at, values in members])


def _rows(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]

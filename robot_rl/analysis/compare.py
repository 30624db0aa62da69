"""Agents side by side over tasks: a Markdown table and performance profiles."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from robot_rl.analysis.curves import Curve, grouped
from robot_rl.analysis.stats import (
    bootstrap_interval,
    improvement_interval,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    task_mean,
)
from robot_rl.errors import RunDirectoryError

# The most that an episode of these suites can return.
_HIGHEST_RETURN = {"dmc": 1000.0}
_PROFILE_POINTS = 101

# Final scores [runs] by task, by who learned.
Scores = dict[str, dict[str, np.ndarray]]


def final_scores(curves: Sequence[Curve]) -> Scores:
    """The last evaluation of each run: success, or the share of the highest return.

    Raises `RunDirectoryError` where two agents were not tried on the same tasks, or where returns
    of several tasks have no common scale.
    """
    tasks = sorted({curve.task for curve in curves})
    found: Scores = defaultdict(dict)
    for (task, learner, text), members in grouped(curves).items():
        scale = _scale(members, alone=len(tasks) == 1)
        found[learner + text][task] = np.array([curve.score[-1] for curve in members]) / scale
    for learner, scores in found.items():
        missing = [task for task in tasks if task not in scores]
        if missing:
            raise RunDirectoryError(
                f"{learner} has no run on {', '.join(missing)}: agents are compared on the same "
                "tasks. Leave those runs out, or train the others."
            )
    return {
        learner: {task: scores[task] for task in tasks} for learner, scores in sorted(found.items())
    }


def markdown(scores: Scores) -> str:
    """Interquartile means with 95 % intervals, and how probably each agent beats each other."""
    tasks = list(next(iter(scores.values())))
    rows = [_aggregates(learner, list(by_task.values())) for learner, by_task in scores.items()]
    head = ["agent", "runs", "IQM", "95 %", "mean", "95 %"]
    parts = [f"Tasks: {', '.join(tasks)}.", _table(head, rows)]
    if len(scores) > 1:
        parts += ["Probability that a run of the row beats one of the column:", _pairs(scores)]
    return "\n\n".join(parts) + "\n"


def plot_profiles(scores: Scores, out: Path) -> None:
    """Share of runs that score more than tau, with 95 % intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    every = np.concatenate([x for by_task in scores.values() for x in by_task.values()])
    taus = np.linspace(min(0.0, every.min()), max(1.0, every.max()), _PROFILE_POINTS)
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for learner, by_task in scores.items():
        runs = list(by_task.values())
        (line,) = axes.plot(taus, performance_profile(runs, taus), label=learner)
        low, high = bootstrap_interval(runs, lambda drawn: performance_profile(drawn, taus))
        axes.fill_between(taus, low, high, color=line.get_color(), alpha=0.2)
    axes.set_xlabel("score τ")
    axes.set_ylabel("share of runs with a score above τ")
    axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    pyplot.close(figure)


def _scale(members: Sequence[Curve], alone: bool) -> float:
    if all(curve.is_success for curve in members):
        return 1.0
    task = members[0].task
    suite = task.partition("/")[0]
    if suite in _HIGHEST_RETURN:
        return _HIGHEST_RETURN[suite]
    if alone:
        return 1.0
    raise RunDirectoryError(
        f"{task} pays returns without a highest one, which no other task's can be compared with. "
        "Compare it alone."
    )


def _aggregates(learner: str, runs: list[np.ndarray]) -> list[str]:
    cells = [learner, str(sum(map(len, runs)))]
    for statistic in (interquartile_mean, task_mean):
        cells += [f"{statistic(runs):.3f}", _text(*bootstrap_interval(runs, statistic))]
    return cells


def _pairs(scores: Scores) -> str:
    names = list(scores)
    rows = [[row, *(_pair(scores, row, column) for column in names)] for row in names]
    return _table(["", *names], rows)


def _pair(scores: Mapping[str, dict[str, np.ndarray]], row: str, column: str) -> str:
    if row == column:
        return ""
    x, y = list(scores[row].values()), list(scores[column].values())
    return f"{probability_of_improvement(x, y):.2f} ({_text(*improvement_interval(x, y))})"


def _text(low: np.ndarray, high: np.ndarray) -> str:
    return f"{low:.2f} to {high:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""Agents side by side by the final scores of their runs."""

import numpy as np
import pytest

from robot_rl.analysis.compare import final_scores, markdown, plot_profiles
from robot_rl.analysis.curves import Curve, read_curve
from robot_rl.cli import main
from robot_rl.errors import RunDirectoryError
from tests.analysis.test_curves import write_run


def runs(tmp_path, *wanted: tuple[str, str, list[float]], success: bool = True) -> list[Curve]:
    """One run a final score, by task and agent."""
    curves = []
    for task, agent, scores in wanted:
        for seed, score in enumerate(scores):
            folder = tmp_path / f"{task}-{agent}-{seed}".replace("/", "-")
            names = {"task": {"name": task}, "agent": {"name": agent}}
            curves.append(read_curve(write_run(folder, seed, [0.0, score], success, **names)))
    return curves


def test_the_last_evaluation_counts_task_by_task(tmp_path):
    curves = runs(
        tmp_path,
        ("arm/lift", "drm", [0.2, 0.4]),
        ("arm/push", "drm", [0.6]),
        ("arm/lift", "sac", [1.0]),
        ("arm/push", "sac", [0.8]),
    )
    scores = final_scores(curves)
    assert list(scores) == ["drm", "sac"]
    np.testing.assert_array_equal(scores["drm"]["arm/lift"], [0.2, 0.4])
    np.testing.assert_array_equal(scores["sac"]["arm/push"], [0.8])


def test_an_agent_without_runs_on_a_task_is_named(tmp_path):
    curves = runs(tmp_path, ("arm/lift", "drm", [0.2]), ("arm/push", "sac", [0.6]))
    with pytest.raises(RunDirectoryError, match=r"drm has no run on arm/push"):
        final_scores(curves)


def test_returns_are_shares_of_the_highest_or_stand_alone(tmp_path):
    walk = runs(tmp_path, ("dmc/walker_walk", "drm", [50.0]), success=False)
    assert final_scores(walk)["drm"]["dmc/walker_walk"] == [0.5]  # write_run pays 10 a point
    free = runs(tmp_path, ("own/task", "drm", [50.0]), success=False)
    assert final_scores(free)["drm"]["own/task"] == [500.0]
    with pytest.raises(RunDirectoryError, match="own/task pays returns without a highest one"):
        final_scores(walk + free)


def test_the_table_holds_aggregates_and_who_beats_whom(tmp_path):
    curves = runs(
        tmp_path, ("arm/lift", "drm", [0.0, 0.2, 0.4, 0.6]), ("arm/lift", "sac", [0.6, 0.9])
    )
    lines = markdown(final_scores(curves)).splitlines()
    assert lines[0] == "Tasks: arm/lift."
    drm, sac = (next(x for x in lines if x.startswith(f"| {name} | ")) for name in ("drm", "sac"))
    assert drm.startswith("| drm | 4 | 0.300 | ")
    assert sac.startswith("| sac | 2 | 0.750 | 0.60 to 0.90 | 0.750 | 0.60 to 0.90 |")
    pairs = lines[lines.index("Probability that a run of the row beats one of the column:") :]
    # Of the 8 pairs of runs sac wins 7 and ties one.
    assert any(line.startswith("| sac | 0.94 (") for line in pairs)
    assert any(line.startswith("| drm |  | 0.06 (") for line in pairs)


def test_the_command_writes_curves_table_and_profiles(tmp_path, capsys):
    runs(tmp_path, ("arm/lift", "drm", [0.0, 0.5]), ("arm/lift", "sac", [0.5, 1.0]))
    folders = [str(path) for path in sorted(tmp_path.iterdir())]
    out = {name: tmp_path / "out" / name for name in ("c.png", "t.md", "p.png")}
    told = ["--out", str(out["c.png"]), "--table", str(out["t.md"])]
    assert main(["plot", *folders, *told, "--profiles", str(out["p.png"])]) == 0
    assert all(path.stat().st_size > 100 for path in out.values())
    assert all(str(path) in capsys.readouterr().out.splitlines() for path in [out["t.md"]])


def test_profiles_reach_beyond_one_where_scores_do(tmp_path):
    curves = runs(tmp_path, ("own/task", "drm", [50.0, 70.0]), success=False)
    plot_profiles(final_scores(curves), tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000

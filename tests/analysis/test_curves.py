"""Curves are read from the JSONL of a run, torn lines and all."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from robot_rl.analysis.curves import (
    Curve,
    axis_of,
    group_by_label,
    plot_runs,
    points,
    read_curve,
)
from robot_rl.analysis.video import write_mp4
from robot_rl.errors import RunDirectoryError


def write_run(
    root: Path,
    seed: int,
    scores: list[float],
    success: bool = True,
    step_every: int = 100,
    **settings: Any,
) -> Path:
    root.mkdir()
    tree = {"task": {"name": "arm/reach"}, "agent": {"name": "drqv2"}, "seed": seed, **settings}
    (root / "config.yaml").write_text(yaml.safe_dump(tree))
    rows: list[dict[str, float]] = [
        {"step": 5, "updates": 5, "wall_s": 1.0, "train/critic_loss": 0.1}
    ]
    for i, score in enumerate(scores, start=1):
        row = {"step": step_every * i, "updates": 200 * i, "wall_s": 60.0 * i}
        row["eval/return_mean"] = 10 * score
        rows.append({**row, "eval/success_rate": score} if success else row)
    text = "\n".join(json.dumps(row) for row in rows)
    (root / "metrics.jsonl").write_text(text + '\n{"step": 9')
    return root


def test_a_curve_holds_the_evaluations(tmp_path):
    curve = read_curve(write_run(tmp_path / "a", 3, [0.1, 0.5, 0.9]))
    assert (curve.task, curve.agent, curve.seed, curve.is_success) == (
        "arm/reach",
        "drqv2",
        3,
        True,
    )
    np.testing.assert_array_equal(curve.step, [100, 200, 300])
    np.testing.assert_array_equal(curve.updates, [200, 400, 600])
    np.testing.assert_array_equal(curve.minutes, [1, 2, 3])
    np.testing.assert_array_equal(curve.score, [0.1, 0.5, 0.9])


def test_without_success_the_return_is_the_score(tmp_path):
    curve = read_curve(write_run(tmp_path / "a", 3, [0.1, 0.5], success=False))
    assert not curve.is_success
    np.testing.assert_array_equal(curve.score, [1.0, 5.0])


def test_the_last_evaluation_of_a_step_counts(tmp_path):
    root = write_run(tmp_path / "a", 0, [0.1])
    row = {"step": 100, "updates": 200, "wall_s": 61.0, "eval/return_mean": 3.0}
    row["eval/success_rate"] = 0.3
    text = (root / "metrics.jsonl").read_text().rsplit("\n", 1)[0]
    (root / "metrics.jsonl").write_text(text + "\n" + json.dumps(row) + "\n")
    np.testing.assert_array_equal(read_curve(root).score, [0.3])


def test_only_runs_that_differ_in_their_seed_alone_are_one_line(tmp_path):
    def curve(name: str, seed: int, lr: float, **more: Any) -> Curve:
        agent = {"name": "drqv2", "network": {"lr": lr}}
        return read_curve(write_run(tmp_path / name, seed, [0.5], agent=agent, **more))

    runs = [curve("a", 1, 1e-4), curve("b", 2, 1e-4, threads=2), curve("c", 1, 1e-3, threads=1)]
    groups = group_by_label(runs)
    assert {label: [c.seed for c in members] for label, members in groups.items()} == {
        "drqv2 on arm/reach, lr=0.0001": [1, 2],
        "drqv2 on arm/reach, lr=0.001": [1],
    }
    # One that lacks a setting, as runs from before it existed do, says nothing about it.
    assert list(group_by_label(runs[:2])) == ["drqv2 on arm/reach"]
    demos = [curve(n, 1, 1e-4, demos=[f"some/where/{n}"]) for n in ("few", "many")]
    assert list(group_by_label(demos)) == [
        f"drqv2 + demonstrations on arm/reach, demos={name}" for name in ("few", "many")
    ]


@pytest.mark.parametrize("axis", ["step", "minutes"])
def test_seeds_are_joined_in_one_picture(tmp_path, axis):
    runs = [write_run(tmp_path / str(s), s, [0.1 * s, 0.5, 0.6 + 0.1 * s]) for s in range(3)]
    plot_runs(runs, tmp_path / "out" / "curves.png", axis)
    assert (tmp_path / "out" / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_without_steps_is_drawn_along_its_updates(tmp_path):
    offline = read_curve(write_run(tmp_path / "a", 0, [0.2, 0.9, 0.7], step_every=0))
    online = read_curve(write_run(tmp_path / "b", 0, [0.2, 0.9, 0.7]))
    assert axis_of([offline], "step") == "updates"
    at, scores = points(offline, "updates")
    assert (at.tolist(), scores.tolist()) == ([200, 400, 600], [0.2, 0.9, 0.7])
    # Beside one that takes steps it is a point: what it had learned before the first.
    assert axis_of([offline, online], "step") == "step"
    assert [x.tolist() for x in points(offline, "step")] == [[0], [0.7]]
    plot_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "both.png", "step")


def test_a_curve_says_what_the_policy_was_at_step_0(tmp_path):
    def begun(name: str, *updates: int) -> Curve:
        root = write_run(tmp_path / name, 0, [0.5])
        rows = [{"step": 0, "updates": n, "wall_s": 1.0} for n in updates]
        lines = [json.dumps({**r, "eval/return_mean": 1.0, "eval/success_rate": 0.1}) for r in rows]
        metrics = root / "metrics.jsonl"
        metrics.write_text("\n".join([*lines, metrics.read_text()]))
        return read_curve(root)

    assert begun("late").beginning == ""
    assert begun("new", 0).beginning == "untrained weights"
    assert begun("cloned", 0, 2000).beginning == "2,000 updates on demonstrations"
    assert points(begun("again", 0, 2000), "step")[0].tolist() == [0, 100]


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunDirectoryError, match="holds no run"):
        read_curve(tmp_path)
    with pytest.raises(RunDirectoryError, match="has no evaluation yet"):
        read_curve(write_run(tmp_path / "a", 0, []))


def test_a_video_comes_back_frame_by_frame(tmp_path):
    import av

    frames = [np.full((64, 48, 3), 60 * i, np.uint8) for i in range(4)]
    write_mp4(tmp_path / "v" / "film.mp4", frames, rate_hz=10.0)
    with av.open(str(tmp_path / "v" / "film.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate or 0) == 10.0
        decoded = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
    assert len(decoded) == 4
    for wanted, got in zip(frames, decoded, strict=True):
        assert np.abs(wanted.astype(int) - got).mean() < 4

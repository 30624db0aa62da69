"""Many runs on a cluster: two Ray nodes on this machine, one of which is killed."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from robot_rl.replay.journal import KEEP_ALL, Journal
from robot_rl.types import Interface
from tests.launching.test_local import has_steps, wait_until
from tests.test_cli import assert_one_clear_line
from tests.training.tiny_run import TINY, Running, metrics, run_cli


@pytest.fixture
def cluster() -> Iterator[Any]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


def starts(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "starts.jsonl").read_text().splitlines()]


def test_the_runs_of_a_lost_node_go_on_elsewhere(cluster, tmp_path):
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    sweep = Running(
        "train",
        "-m",
        *TINY,
        "num_envs=0",
        "seed=1,2",
        "steps=400",
        f"run_dir={tmp_path}",
        "launcher=ray",
        f"launcher.address={cluster.address}",
    )
    runs = [tmp_path / "seed=1", tmp_path / "seed=2"]
    wait_until(lambda: all(has_steps(run, 40) for run in runs))
    cluster.remove_node(nodes[0], allow_graceful=False)
    ended = sweep.done(240.0)
    assert ended.returncode == 0, ended.stderr
    begun = sorted((len(starts(run)), run) for run in runs)
    assert [times for times, _ in begun] == [1, 2]
    for run in runs:
        steps = [row["step"] for row in metrics(run)]
        assert steps == sorted(steps), "it went on, and did not begin anew"
        assert steps[-1] == 400
        assert (run / "policy").exists()
    assert "continuing" in (begun[1][1] / "job.log").read_text()


def test_runs_on_a_cluster_stop_in_order(tmp_path):
    """Ray catches SIGTERM, too, and would end the launcher where it stands."""
    run = tmp_path / "seed=1"
    sweep = Running(
        "train",
        "-m",
        *TINY,
        "num_envs=0",
        "seed=1,2",
        "steps=100000",
        f"run_dir={tmp_path}",
        "launcher=ray",
    )
    wait_until(lambda: has_steps(run, 40))
    sweep.send_signal(signal.SIGTERM)
    ended = sweep.done()
    assert ended.returncode == 1, ended.stderr
    assert "seed=1  stopped" in ended.stderr
    assert "the same command continues" in (run / "job.log").read_text()


def test_a_cluster_that_does_not_answer_is_told(tmp_path):
    run = run_cli(
        "train",
        "-m",
        "seed=1,2",
        f"run_dir={tmp_path}",
        "launcher=ray",
        "launcher.address=127.0.0.1:1",
    )
    assert_one_clear_line(run, "launcher.address=127.0.0.1:1", "ray start --head")


def test_actors_of_a_lost_node_go_on_elsewhere(cluster, tmp_path):
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    run = tmp_path / "run"
    learner = Running(
        "train",
        *TINY,
        "num_envs=0",
        "replay_ratio=0.1",
        "steps=400",
        f"run_dir={run}",
        "actors.count=2",
        "actors.where=ray",
        f"actors.ray_address={cluster.address}",
    )
    wait_until(lambda: all(lane_steps(run, lane) >= 40 for lane in (0, 1)))
    cluster.remove_node(nodes[0], allow_graceful=False)
    ended = learner.done(240.0)
    assert ended.returncode == 0, ended.stderr
    assert sum(lane_steps(run, lane) for lane in (0, 1)) == metrics(run)[-1]["step"] >= 400
    assert min(lane_steps(run, lane) for lane in (0, 1)) > 60, "both went on"


def lane_steps(run: Path, lane: int) -> int:
    replay = run / "replay"
    if not list(replay.glob(f"lane{lane:02d}-*.rows")):
        return 0
    interface = Interface.load(run / "interface.json")
    journal = Journal(replay, lane, interface, KEEP_ALL)
    return sum(step is not None for episode in journal.episodes() for step, _ in episode)

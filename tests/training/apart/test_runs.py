"""Whole runs with their actors in processes of their own, some of which are killed."""

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from robot_rl.episodes.folder import EpisodesFolder
from tests.test_cli import assert_one_clear_line
from tests.training.tiny_run import TINY, Running, metrics, run_cli

APART = (*TINY, "num_envs=0", "agent.batch_size=2", "replay_ratio=0.1")


def actors_of(run: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "act" in words and any(word.startswith(f"--spool={run}/") for word in words):
            found.append(process)
    return found


def steps_on_disk(run: Path) -> int:
    return sum(len(episode.steps) for episode in EpisodesFolder(run).episodes())


def told_steps(run: Path) -> int:
    """Of the newest line that is whole."""
    path = run / "metrics.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return json.loads(lines[-1])["step"] if lines else 0


def wait_for_steps(run: Path, steps: int, within_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + within_s
    while told_steps(run) < steps:
        assert time.monotonic() < deadline_s, (run / "actors/00.log").read_text()
        time.sleep(0.05)


def test_two_actors_collect_and_one_learner_learns(tmp_path):
    run = tmp_path / "run"
    actors = ("actors.count=2", "actors.ahead_steps=10")
    done = run_cli("train", *APART, "steps=200", *actors, f"run_dir={run}")
    assert done.returncode == 0, done.stderr
    rows = metrics(run)
    # What was on its way is in the replay as well: in the turn that made the run complete, and in
    # its evaluation. Either time ten before the learner, and as many of each actor.
    assert 200 <= rows[-1]["step"] <= 200 + 2 * (10 + 2 * 11)
    assert rows[-1]["updates"] == int(0.1 * (rows[-1]["step"] - 20) + 1e-9)
    assert steps_on_disk(run) == rows[-1]["step"]
    lanes = {path.name[:6] for path in (run / "replay").glob("*.rows")}
    assert lanes == {"lane00", "lane01"}
    assert (run / "policy").exists()
    assert actors_of(run) == []
    assert (run / "token").stat().st_mode & 0o077 == 0, "the token is the owner's alone"


def test_a_killed_actor_and_a_killed_learner_cost_nothing(tmp_path):
    run = tmp_path / "run"
    # Little is on its way: steps that a killed actor sent do not look like another's.
    actors = ("actors.count=1", "actors.ahead_steps=10")
    arguments = ("train", *APART, "steps=600", *actors, f"run_dir={run}")
    first = Running(*arguments)
    wait_for_steps(run, 60)
    (actor,) = actors_of(run)
    actor.kill()
    wait_for_steps(run, told_steps(run) + 60)
    (other,) = actors_of(run)
    assert other.pid != actor.pid
    first.send_signal(signal.SIGKILL)
    first.done()
    had = steps_on_disk(run)
    time.sleep(0.5)
    assert other.is_running(), "it waits for another learner"
    second = Running(*arguments)
    wait_for_steps(run, had + 60)
    assert [process.pid for process in actors_of(run)] == [other.pid]
    done = second.done(180.0)
    assert done.returncode == 0, done.stderr
    assert "continuing" in done.stderr
    assert steps_on_disk(run) == metrics(run)[-1]["step"] >= 600


def test_an_actor_that_outlived_its_learner_leaves_with_the_next_one(tmp_path):
    run = tmp_path / "run"
    arguments = ("train", *APART, "steps=100000", "actors.count=1", f"run_dir={run}")
    first = Running(*arguments)
    wait_for_steps(run, 40)
    first.send_signal(signal.SIGKILL)
    first.done()
    (actor,) = actors_of(run)
    had = steps_on_disk(run)
    second = Running(*arguments)
    wait_for_steps(run, had + 40)  # so it is connected again
    second.send_signal(signal.SIGINT)
    done = second.done()
    assert done.returncode == 0, done.stderr
    assert "the same command continues" in done.stderr
    psutil.wait_procs([actor], timeout=20.0)
    assert actors_of(run) == []


def test_a_run_on_a_robot_whose_actor_was_started_by_hand(tmp_path):
    """The arm and its cameras are the actor's; the learner opens nothing."""
    run, port = tmp_path / "run", 20_000 + os.getpid() % 20_000
    robot = ("robot=sim_arm", "task=arm/reach", "eval_episodes=0", "final_eval_episodes=0")
    learner = Running(
        "train",
        *APART,
        *robot,
        "steps=40",
        "actors.count=1",
        "actors.where=elsewhere",
        f"actors.address=127.0.0.1:{port}",
        f"run_dir={run}",
    )
    deadline_s = time.monotonic() + 60.0
    while not (run / "token").exists():
        assert time.monotonic() < deadline_s, "no token"
        time.sleep(0.05)
    actor = Running(
        "act", f"127.0.0.1:{port}", f"--token={run / 'token'}", f"--spool={tmp_path / 'spool'}"
    )
    told = learner.done(180.0)
    assert told.returncode == 0, told.stderr
    told = actor.done(60.0)
    assert told.returncode == 0, told.stderr
    steps = [step for episode in EpisodesFolder(run).episodes() for step in episode.steps]
    assert len(steps) >= 40
    assert {step.source for step in steps} <= {"policy", "random", "nobody"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("num_envs=2",), "an actor has one environment"),
        (("robot=sim_arm", "num_envs=0"), "eval_episodes=0 final_eval_episodes=0"),
        (("human.device=keyboard",), "actors.where=elsewhere"),
        (("human.device=graph",), "robot=sim_ros"),
        (("human.device=web", "actors.count=2"), "actors.count=1"),
        (("actors.address=nowhere",), "HOST:PORT"),
        (("actors.publish_every_s=0",), "at least 0.05"),
        (("steps=0", "offline_updates=1"), "actors.count=0"),
    ],
)
def test_what_actors_cannot_do_is_told_at_once(tmp_path, settings, said):
    done = run_cli("train", *TINY, "actors.count=1", *settings, f"run_dir={tmp_path / 'run'}")
    assert_one_clear_line(done, said)


def test_an_actor_without_a_learner_or_a_token(tmp_path):
    secret = tmp_path / "token"
    assert_one_clear_line(run_cli("act", "127.0.0.1:1", f"--token={secret}"), "cannot be read")
    secret.write_text("short")
    assert_one_clear_line(run_cli("act", "127.0.0.1:1", f"--token={secret}"), "16 characters")
    secret.write_text("long enough for a token")
    done = run_cli("act", "127.0.0.1:1", f"--token={secret}", "--patience-s=0.2")
    assert_one_clear_line(done, "no learner answered")


def test_an_actor_that_cannot_begin_is_told_of_by_the_learner(tmp_path):
    run = tmp_path / "run"
    done = run_cli(
        "train",
        *APART,
        "robot=sim_arm",
        "robot.arm.settings.nonsense=1",
        *("eval_episodes=0", "final_eval_episodes=0", "actors.count=1", "steps=40"),
        f"run_dir={run}",
    )
    assert done.returncode == 1
    assert "actor 0 ended 3 times before it began: robot-rl:" in done.stderr
    assert "nonsense" in done.stderr

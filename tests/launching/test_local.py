"""Many runs on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from robot_rl.launching.jobs import Job, LauncherConfig, with_one_thread
from robot_rl.launching.local import LocalLauncher
from robot_rl.launching.progress import Progress
from robot_rl.launching.sweep import make_launcher
from robot_rl.training.run import RunDirectory
from tests.test_cli import assert_one_clear_line
from tests.training.tiny_run import TINY, Running, metrics, run_cli


@dataclass(frozen=True)
class Script(Job):
    """A process that does something else than learning, and is done in a moment."""

    work: str = ""

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", self.work])


def script(name: str, work: str) -> Script:
    return Script(Path("/nowhere") / name, (), 0, "step", Path.cwd(), work)


def wait_until(fact: Callable[[], bool], timeout_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_no_more_run_at_once_than_asked_for():
    jobs = [script(str(i), "import time; time.sleep(0.3)") for i in range(5)]
    launcher = LocalLauncher(jobs, at_once=2)
    running = []
    while (states := launcher.poll()) and not set(states.values()) <= {"stopped"}:
        running.append(sum(state == "running" for state in states.values()))
        time.sleep(0.02)
    assert max(running) == 2
    assert list(states) == jobs


def test_one_that_fails_does_not_keep_the_others():
    jobs = [script("bad", "raise SystemExit(3)"), script("good", "")]
    launcher = LocalLauncher(jobs, at_once=1)
    wait_until(lambda: set(launcher.poll().values()) == {"failed", "stopped"})
    assert launcher.poll()[jobs[0]] == "failed"


def test_stopping_asks_those_that_run_and_starts_no_more():
    jobs = [script(str(i), "import time; time.sleep(60)") for i in range(3)]
    launcher = LocalLauncher(jobs, at_once=2)
    launcher.poll()
    launcher.stop()
    states = launcher.poll()
    assert [states[job] for job in jobs] == ["stopped", "stopped", "waiting"]


def test_as_many_at_once_as_there_are_cores():
    launcher = make_launcher([], LauncherConfig())
    assert isinstance(launcher, LocalLauncher)
    assert launcher._at_once == len(os.sched_getaffinity(0))


def test_a_job_takes_one_thread_unless_it_says_otherwise():
    assert with_one_thread(["seed=1"]) == ("seed=1", "threads=1")
    assert with_one_thread(["threads=4"]) == ("threads=4",)


def test_a_sweep_is_stopped_goes_on_and_is_not_done_twice(tmp_path):
    sweep = ("train", "-m", *TINY, "num_envs=0", "seed=1,2", f"run_dir={tmp_path}", "steps=300")
    runs = [tmp_path / "seed=1", tmp_path / "seed=2"]
    first = Running(*sweep, "launcher.at_once=2")
    wait_until(lambda: all(has_steps(run, 40) for run in runs))
    first.send_signal(signal.SIGTERM)
    stopped = first.done()
    assert stopped.returncode == 1
    assert stopped.stderr.count("  stopped  ") == 4  # a line each, and a row of the table
    before = [max(row["step"] for row in metrics(run)) for run in runs]
    again = run_cli(*sweep)
    assert again.returncode == 0, again.stderr
    for run, step in zip(runs, before, strict=True):
        steps = [row["step"] for row in metrics(run)]
        assert steps == sorted(steps)
        assert step < 300 == steps[-1]
        assert (run / "policy").exists()
    written = [run.stat().st_mtime_ns for run in runs]
    assert run_cli(*sweep).returncode == 0
    assert [run.stat().st_mtime_ns for run in runs] == written


def test_the_runs_of_a_killed_launcher_stop(tmp_path):
    run = tmp_path / "seed=1"
    launcher = Running(
        "train",
        "-m",
        *TINY,
        "num_envs=0",
        "seed=1,2",
        "launcher.at_once=1",
        f"run_dir={tmp_path}",
        "steps=100000",
    )
    wait_until(lambda: has_steps(run, 30))
    launcher.send_signal(signal.SIGKILL)
    wait_until(lambda: "the same command continues" in (run / "job.log").read_text())
    wait_until(lambda: is_free(run))


def test_a_run_that_is_refused_is_told_with_its_last_words(tmp_path):
    assert run_cli("train", *TINY, "steps=25", "num_envs=0", f"run_dir={tmp_path}/seed=1")
    run = run_cli(
        "train",
        "-m",
        *TINY,
        "num_envs=0",
        "steps=25",
        "agent=sac",
        "seed=1,2",
        f"run_dir={tmp_path}",
    )
    assert run.returncode == 1
    assert "seed=1 failed: robot-rl: this run was started with other values of" in run.stderr
    assert "seed=2  done" in run.stderr


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("-m", "seed=1,2", "launcher=slurm"), ("launcher.name", "local", "ray")),
        (("-m", "seed=1,2", "launcher.at_onec=2"), ("launcher.at_onec", "launcher.at_once")),
        (("-m", "seed=1,2", "launcher.at_once=-1"), ("at_once >= 0",)),
        (("launcher=local",), ("add -m",)),
        (("-m", "seed=1,2", "human.device=web", "num_envs=0"), ("robot or a person",)),
        (("-m", "seed=1,2", "agent.lrr=1"), ("agent.lrr",)),
    ],
)
def test_bad_settings_are_told_before_anything_runs(typed, words, tmp_path):
    assert_one_clear_line(run_cli("train", *typed, f"run_dir={tmp_path}/runs"), *words)
    assert not (tmp_path / "runs").exists()


def test_two_launchers_on_one_folder_are_refused(tmp_path):
    first = RunDirectory(tmp_path)
    first.open()
    run = run_cli("train", "-m", "seed=1,2", f"run_dir={tmp_path}")
    first.close()
    assert_one_clear_line(run, "in use by another process", str(tmp_path))


def test_a_run_is_complete_with_its_policy_and_just_these_settings(tmp_path):
    job = Job(tmp_path, ("seed=1",), 10, "step", tmp_path)
    assert not job.complete
    (tmp_path / "policy").mkdir()
    for text, complete in (('["seed=1"]', True), ('["seed=2"]', False), ('["see', False)):
        (tmp_path / "overrides.json").write_text(text)
        assert job.complete == complete


def test_progress_reads_whole_lines_alone(tmp_path):
    run = Progress(Job(tmp_path, (), 1000, "step", tmp_path))
    assert not run.refresh()
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 100, "updates": 5, "wall_s": 30.0}\n{"step": 200, "eval/succ')
    assert not run.refresh()
    assert (run.at, run.minutes, run.score) == ("100 / 1,000 steps", "0.5", "")
    with file.open("a") as more:
        more.write('ess_rate": 0.25, "eval/return_mean": 3.0}\n')
    assert run.refresh()
    assert (run.at, run.score) == ("200 / 1,000 steps", "25 %")


def has_steps(run: Path, steps: int) -> bool:
    file = run / "metrics.jsonl"
    return file.exists() and any(row["step"] >= steps for row in metrics(run))


def is_free(run: Path) -> bool:
    return run_cli("train", f"run_dir={run}", "steps=25").returncode == 0

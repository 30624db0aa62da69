"""Whole runs as processes: start, resume, kill, interrupt."""

import contextlib
import signal
import time
from pathlib import Path

import pytest
import yaml

from robot_rl.replay import Replay, Transitions
from robot_rl.replay.journal import Journal
from robot_rl.training.checkpoint import checkpoints, load_newest
from robot_rl.types import Interface
from tests.training.tiny_run import TINY, Running, metrics, run_cli


def recorded_steps(run_dir: Path) -> int:
    interface = Interface.load(run_dir / "interface.json")
    replay = Replay(3000, Transitions(), interface, 1, seed=0)
    return Journal(run_dir / "replay", 0, interface, 3000).restore(replay)


def start(run_dir: Path, *overrides: str) -> Running:
    return Running("train", *TINY, f"run_dir={run_dir}", *overrides)


def wait_for_steps(run_dir: Path, steps: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        file = run_dir / "metrics.jsonl"
        if file.exists() and any(row["step"] >= steps for row in metrics(run_dir)):
            return
        time.sleep(0.05)
    raise AssertionError(f"{run_dir} did not reach step {steps}")


def test_a_run_leaves_everything_behind(tmp_path):
    run = run_cli(
        "train",
        *TINY,
        "steps=60",
        f"run_dir={tmp_path}",
        "eval_every_steps=30",
        "video=true",
        "num_envs=0",
    )
    assert run.returncode == 0, run.stderr
    assert "final evaluation" in run.stderr
    left = {path.name for path in tmp_path.iterdir()}
    assert {
        "config.yaml",
        "overrides.json",
        "versions.json",
        "interface.json",
        "metrics.jsonl",
        "checkpoints",
        "replay",
        "videos",
        "tensorboard",
        "curves.png",
        "policy.mp4",
        "policy",
    } <= left
    policy = {path.name for path in (tmp_path / "policy").iterdir()}
    assert policy == {"policy.safetensors", "interface.json", "config.yaml", "card.md"}
    names = {name for row in metrics(tmp_path) for name in row}
    assert {
        "train/critic_loss",
        "speed/updates_per_s",
        "eval/success_rate",
        "eval/success_low",
        "wall_s",
        "train/exploration_std",
    } <= names
    # One update per step after the seed steps, none before.
    state = load_newest(tmp_path / "checkpoints")
    assert state is not None
    assert state["updates"] == 39
    assert recorded_steps(tmp_path) == 60


def test_resume_after_kill_9_loses_no_step_and_catches_up(tmp_path):
    run = start(tmp_path, "steps=100000", "checkpoint_every_s=0.5")
    wait_for_steps(tmp_path, 150)
    run.send_signal(signal.SIGKILL)
    run.done()
    before = recorded_steps(tmp_path)
    state = load_newest(tmp_path / "checkpoints")
    assert state is not None
    assert 0 < state["updates"] <= before - 20
    again = run_cli("train", f"run_dir={tmp_path}", f"steps={before + 40}")
    assert again.returncode == 0, again.stderr
    assert f"continuing arm/reach  drqv2  seed 0  {tmp_path} at step {before}" in again.stderr
    assert recorded_steps(tmp_path) == before + 40
    resumed = load_newest(tmp_path / "checkpoints")
    assert resumed is not None
    assert resumed["updates"] == before + 40 - 20 - 1
    assert resumed["train_s"] > state["train_s"]


def test_sigterm_finishes_the_step_saves_and_exits_0(tmp_path):
    run = start(tmp_path, "steps=100000")
    wait_for_steps(tmp_path, 60)
    run.send_signal(signal.SIGTERM)
    ended = run.done()
    assert ended.returncode == 0, ended.stderr
    assert "the same command continues" in ended.stderr
    steps = recorded_steps(tmp_path)
    assert checkpoints(tmp_path / "checkpoints")[-1].name.startswith(f"step-{steps:012d}-")


def test_the_same_signal_twice_at_once_is_one(tmp_path):
    run = start(tmp_path, "steps=100000")
    wait_for_steps(tmp_path, 60)
    for _ in range(2):  # make passes on the SIGTERM that the process group got as well
        run.send_signal(signal.SIGTERM)
    ended = run.done()
    assert ended.returncode == 0, ended.stderr


def test_a_second_signal_exits_at_once(tmp_path):
    # Updates take long: the first signal alone would have to wait for a batch.
    run = start(tmp_path, "steps=100000", "agent.batch_size=2048")
    wait_for_steps(tmp_path, 20)
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    time.sleep(0.3)
    with contextlib.suppress(ProcessLookupError):  # the first one came between two batches
        run.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert run.done().returncode in (0, 128 + signal.SIGINT)
    assert time.monotonic() - began < 5


def test_a_run_directory_in_use_is_refused(tmp_path):
    run = start(tmp_path, "steps=100000")
    wait_for_steps(tmp_path, 10)
    other = run_cli("train", f"run_dir={tmp_path}")
    run.send_signal(signal.SIGKILL)
    run.done()
    assert other.returncode == 1
    assert "is in use by another process" in other.stderr


def test_the_same_full_command_continues_and_other_settings_are_refused(tmp_path):
    first = run_cli("train", *TINY, "steps=40", f"run_dir={tmp_path}", "num_envs=0")
    assert first.returncode == 0, first.stderr
    again = run_cli("train", *TINY, "steps=50", f"run_dir={tmp_path}", "num_envs=0")
    assert again.returncode == 0, again.stderr
    assert recorded_steps(tmp_path) == 50
    saved = (tmp_path / "config.yaml").read_bytes()
    assert b"steps: 50" in saved  # what was typed last holds for the next time, too
    for override in ("agent=drm", "task=arm/push", "agent.network.hidden_dim=32"):
        refused = run_cli("train", f"run_dir={tmp_path}", override)
        assert refused.returncode == 1
        assert "was started with other values of" in refused.stderr
    assert (tmp_path / "config.yaml").read_bytes() == saved


def test_a_sweep_makes_one_run_per_combination(tmp_path):
    run = run_cli(
        "train",
        "-m",
        *TINY,
        "steps=25",
        "num_envs=0",
        "seed=1,2",
        "agent=drqv2,drm",
        f"run_dir={tmp_path}",
    )
    assert run.returncode == 0, run.stderr
    names = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert names == {f"seed={s},agent={a}" for s in (1, 2) for a in ("drqv2", "drm")}
    tree = yaml.safe_load((tmp_path / "seed=2,agent=drm" / "config.yaml").read_text())
    assert (tree["seed"], tree["agent"]["name"]) == (2, "drm")


def test_several_environment_processes_share_one_learner(tmp_path):
    run = run_cli("train", *TINY, "steps=60", f"run_dir={tmp_path}", "num_envs=3")
    assert run.returncode == 0, run.stderr
    assert len(list((tmp_path / "replay").glob("lane*"))) == 3


@pytest.mark.parametrize(
    "settings",
    [
        ("agent=tdmpc2", "agent.planner.horizon=51"),
        ("agent=bc", "agent.memory=gru", "agent.segment_length=51", "human.device=simulated"),
    ],
)
def test_windows_longer_than_any_episode_are_refused(tmp_path, settings):
    run = run_cli("train", *TINY, *settings, f"run_dir={tmp_path}")
    assert run.returncode == 1
    assert "windows of 51 steps, and no episode of arm/reach has more than 40" in run.stderr

"""`robot-rl adapt` on a run of seconds."""

import pytest

from robot_rl.deploy.artefact import PolicyFolder
from tests.training.tiny_run import TINY, run_cli

BLIND = ("task.state=true", "~task.cameras.front", "~task.cameras.wrist")
LITTLE = ("--pairs", "30", "--steps", "10", "--updates", "6", "--episodes", "1")


@pytest.fixture(scope="module")
def dreamed(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("dreamed"), "agent=repo", "agent.segment_length=8")


def trained(run_dir, *settings):
    run = run_cli("train", *TINY, *settings, "steps=40", f"run_dir={run_dir}")
    assert run.returncode == 0, run.stderr
    return run_dir


def test_the_adapted_policy_is_a_policy_folder_for_the_new_look(dreamed, tmp_path):
    out = tmp_path / "adapted"
    run = run_cli("adapt", str(dreamed), "--out", str(out), *LITTLE, "variation=distracting")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("before  return")
    assert "after   return" in run.stdout
    folder = PolicyFolder(out)
    assert folder.load().kind == "dreaming"
    assert folder.config()["training"]["task"]["variation"]["background"] == "ground"
    again = run_cli("eval", str(out), "--episodes", "1")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ((), "variation=NAME"),
        (("robot=sim_arm",), "simulations that look different"),
        (("task.variation.gain=[0.3,0.5]",), "task.variation.gain changes how"),
        (("task.variation.camera_delay_s=[0.1,0.1]",), "task.variation.camera_delay_s changes"),
    ],
)
def test_what_is_no_changed_look_is_refused(dreamed, tmp_path, look, words):
    run = run_cli("adapt", str(dreamed), "--out", str(tmp_path), *LITTLE, *look)
    assert run.returncode == 1
    assert words in run.stderr


def test_numbers_that_adapt_nothing_are_refused(dreamed, tmp_path):
    run = run_cli(
        "adapt", str(dreamed), "--out", str(tmp_path), "--pairs", "0", "variation=distracting"
    )
    assert run.returncode == 1
    assert "at least one pair" in run.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("agent=drqv2",), "agent=drqv2 has no model"),
        (
            ("agent=mvmwm", "agent.segment_length=8", "agent.masked_batch=4"),
            "agent=mvmwm has no model",
        ),
        (
            ("agent=repo", "agent.segment_length=8", *BLIND),
            "has no camera",
        ),
    ],
)
def test_what_cannot_be_adapted_is_refused(tmp_path, settings, words):
    run_dir = trained(tmp_path / "run", *settings)
    run = run_cli("adapt", str(run_dir), "--out", str(tmp_path / "out"), "variation=distracting")
    assert run.returncode == 1
    assert words in run.stderr


def test_a_folder_without_a_run_is_refused(tmp_path):
    run = run_cli("adapt", str(tmp_path), "--out", str(tmp_path / "out"), "variation=distracting")
    assert run.returncode == 1
    assert "holds no run" in run.stderr

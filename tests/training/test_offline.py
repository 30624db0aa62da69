"""Learning from demonstrations alone: no environment, a clock of updates, resumed in the middle."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from robot_rl.agents.bc import BCConfig
from robot_rl.cli import main
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.envs.vector import InlineEnvs
from robot_rl.training.checkpoint import load_newest
from robot_rl.training.loop import Trainer
from robot_rl.training.monitor import Monitor
from robot_rl.training.parts import LoopConfig
from tests.training.tiny_parts import make_trainer, train
from tests.training.tiny_run import TINY, metrics, run_cli


def no_envs(first_episode: int) -> InlineEnvs:
    raise AssertionError("learning offline opened a training environment")


def offline(root: Path, updates: int = 40, **config: Any) -> Trainer:
    settings = {"log_every_updates": 10, "eval_every_updates": 10, "video": False, **config}
    loop = LoopConfig(steps=0, offline_updates=updates, checkpoint_every_s=0.0, **settings)
    evaluated: dict[str, Any] = {} if loop.evaluates else {"eval_env": None}
    trainer = make_trainer(
        root, loop, BCConfig(), demo_episodes=5, make_envs=no_envs, gates=[], **evaluated
    )
    trainer.load_or_start()
    return trainer


NO_EVALUATION = {"eval_episodes": 0, "final_eval_episodes": 0}


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.parts.agent.policy().state_dict()


def test_without_evaluations_no_environment_is_needed_at_all(tmp_path):
    trainer = offline(tmp_path, **NO_EVALUATION)
    assert train(trainer)
    rows = metrics(tmp_path)
    assert [(row["step"], row["updates"]) for row in rows] == [(0, n) for n in (10, 20, 30, 40)]
    assert all(row["train/bc_loss"] > 0 and row["speed/updates_per_s"] > 0 for row in rows)
    assert not any("env_steps" in name for row in rows for name in row)
    assert not list((tmp_path / "replay").glob("*.rows"))


def test_it_goes_on_in_the_middle_as_if_nothing_had_been(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for root in (whole, parts):
        root.mkdir()
    straight = offline(whole, **NO_EVALUATION)
    assert train(straight)
    first = offline(parts, **NO_EVALUATION)
    assert not train(first, updates=17)
    second = offline(parts, **NO_EVALUATION)
    assert second.learner.updates == 17
    assert train(second)
    torch.testing.assert_close(weights(second), weights(straight), rtol=0, atol=0)
    assert not torch.equal(*(next(iter(weights(t).values())) for t in (first, second)))
    assert [row["updates"] for row in metrics(parts)] == [10, 20, 30, 40]
    longer = offline(parts, updates=50, **NO_EVALUATION)
    assert train(longer)
    assert [row["updates"] for row in metrics(parts)][4:] == [50]


def test_what_was_learned_offline_is_saved_before_the_first_step(tmp_path):
    """A kill right after it must not make offline updates of what follows."""
    loop = LoopConfig(steps=100, offline_updates=7, checkpoint_every_s=1e9, **NO_EVALUATION)
    trainer = make_trainer(tmp_path, loop, BCConfig(), demo_episodes=5)
    trainer.load_or_start()
    learner = trainer.learner
    monitor = Monitor(tmp_path, "tiny", learner.shown, learner.progress(), live=False)
    learner.learn_offline(monitor, lambda: False)
    monitor.close()
    state = load_newest(tmp_path / "checkpoints")
    assert state is not None
    assert state["updates"] == 7


def test_it_is_evaluated_along_its_updates(tmp_path):
    trainer = offline(tmp_path, eval_episodes=2, final_eval_episodes=3)
    assert train(trainer)
    evaluated = [r for r in metrics(tmp_path) if "eval/success_rate" in r]
    # The final evaluation stands for the one at the end.
    places = [(r["updates"], r["eval/episodes"]) for r in evaluated]
    assert places == [(0, 2), (10, 2), (20, 2), (30, 2)]


def test_without_a_final_evaluation_the_last_update_is_judged_on_the_way(tmp_path):
    trainer = offline(tmp_path, updates=15, eval_episodes=2, final_eval_episodes=0)
    assert train(trainer)
    evaluated = [r["updates"] for r in metrics(tmp_path) if "eval/success_rate" in r]
    assert evaluated == [0, 10, 15]


def test_it_stops_at_the_success_that_is_enough(tmp_path):
    trainer = offline(tmp_path, eval_episodes=1, stop_at_success=1.0)  # every episode succeeds
    assert train(trainer)
    assert trainer.learner.updates == 10


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """Demonstrations on a robot that nobody has here."""
    out = tmp_path_factory.mktemp("demos") / "lab"
    settings = ("task.state=true", "num_envs=0", "--episodes", "2")
    made = run_cli("collect", "task=arm/reach", *settings, "--out", str(out))
    assert made.returncode == 0, made.stderr
    interface = json.loads((out / "interface.json").read_text())
    (out / "interface.json").write_text(json.dumps({**interface, "task": "lab/arm7"}))
    return out


def test_the_command_line_learns_the_data_of_a_robot_that_is_not_here(recorded, tmp_path):
    command = [
        "train",
        *TINY,
        "agent=bc",
        "steps=0",
        "log_every_updates=5",
        f"demos=[{recorded}]",
        "eval_episodes=0",
        "final_eval_episodes=0",
        f"run_dir={tmp_path / 'run'}",
    ]
    run = run_cli(*command, "offline_updates=12")
    assert run.returncode == 0, run.stderr
    assert "starting lab/arm7  bc" in run.stderr
    again = run_cli(*command, "offline_updates=20")
    assert again.returncode == 0, again.stderr
    assert f"continuing lab/arm7  bc  seed 0  {tmp_path / 'run'} at update 12" in again.stderr
    assert [row["updates"] for row in metrics(tmp_path / "run")] == [5, 10, 15, 20]
    state = load_newest(tmp_path / "run" / "checkpoints")
    assert state is not None
    assert state["updates"] == 20
    assert PolicyFolder(tmp_path / "run" / "policy").interface().task == "lab/arm7"
    assert not (tmp_path / "run" / "curves.png").exists()


def test_without_data_it_says_what_is_missing(tmp_path, capsys):
    alone = ("steps=0", "eval_episodes=0", "final_eval_episodes=0")
    assert main(["train", *TINY, "agent=sac", *alone, f"run_dir={tmp_path}"]) == 1
    assert "Give demonstrations: demos=[FOLDER]" in capsys.readouterr().err

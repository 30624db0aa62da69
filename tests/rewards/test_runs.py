"""Whole runs that are paid by what is seen: at the end of episodes, from choices, from labels."""

from pathlib import Path

import numpy as np
import pytest

from robot_rl.build.compose import compose
from robot_rl.build.run import build_trainer
from robot_rl.cli import main
from robot_rl.rewards.replayed import episodes_of, replayed
from robot_rl.training.run import RunDirectory

RUN = (
    "task=arm/reach",
    "task.image_size=16",
    "task.source_size=0",
    "agent.seed_steps=60",
    "agent.batch_size=8",
    "replay_ratio=0.1",
    "num_envs=0",
    "eval_episodes=0",
    "final_eval_episodes=0",
    "checkpoint_every_s=0",
    "replay.capacity=1000",
)


def paid(run_dir: Path, *overrides: str) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and versions of all finished steps of a run, as it would go on."""
    config = compose([*RUN, *overrides])
    run = RunDirectory(run_dir)
    run.open()
    try:
        trainer = build_trainer(config, run)
        trainer.load_or_start()
        replay = trainer.parts.replay
        seen = [replayed(replay, rows) for rows in episodes_of(replay)]
        return np.concatenate([s.own for s in seen]), np.concatenate([s.version for s in seen])
    finally:
        run.close()


def test_a_run_is_paid_at_the_end_of_its_episodes_and_goes_on_so(tmp_path):
    settings = ("reward=random", "task.reward_model.when=episode", "task.reward_model.scale=2.0")
    for steps in (130, 180):  # the second goes on
        command = ["train", f"run_dir={tmp_path}/run", *RUN, *settings, f"steps={steps}"]
        assert main(command) == 0
    rewards, versions = paid(tmp_path / "run", *settings, "steps=180")
    assert len(rewards) == 170  # four episodes of 40 steps, and what was left of one at the stop
    scored = rewards[versions == 1]
    assert len(scored) >= 130  # the last one may have ended with the run
    assert 0.8 < scored.mean() < 1.2  # twice what is uniform in [0, 1]
    assert scored.max() > 1.5


def test_a_run_learns_its_reward_from_choices(tmp_path):
    teaching = "task.reward_model.teaching"
    settings = (
        "reward=preferences",
        f"{teaching}.teacher=truth",
        f"{teaching}.every_steps=40",
        f"{teaching}.queries=20",
        f"{teaching}.updates=20",
    )
    assert main(["train", f"run_dir={tmp_path}/run", *RUN, *settings, "steps=170"]) == 0
    rewards, versions = paid(tmp_path / "run", *settings, "steps=170")
    assert versions.min() == versions.max() >= 3
    assert np.abs(rewards).max() <= 1.0
    assert rewards.std() > 0.01


def test_labels_pay_in_demonstrations(tmp_path, capsys):
    demos = ["task=arm/reach", "task.image_size=16", "task.source_size=0", "task.reward=sparse"]
    folder = f"{tmp_path}/demos"
    assert main(["collect", *demos, "--episodes", "2", "--out", folder]) == 0
    assert main(["rewards", "label", folder, "reward=random"]) == 0
    offline = ["agent=iql", "steps=0", "offline_updates=2", f"demos=[{folder}]"]
    learn = ["train", *RUN, "task.reward=sparse", *offline, "demo_labels=random"]
    assert main([*learn, f"run_dir={tmp_path}/run"]) == 0
    rewards, _ = paid(tmp_path / "run", "task.reward=sparse", *offline, "demo_labels=random")
    assert len(np.unique(rewards)) > 5  # as random as the labels
    capsys.readouterr()
    missing = [*learn[:-1], "demo_labels=nobody", f"run_dir={tmp_path}/other"]
    assert main(missing) == 1
    assert "has no label" in capsys.readouterr().err


def test_without_its_file_a_run_says_so(tmp_path, capsys):
    settings = ["reward=progress", f"task.reward_model.settings.folder={tmp_path}/none"]
    assert main(["train", f"run_dir={tmp_path}/run", *RUN, *settings]) == 1
    assert "no usable progress model" in capsys.readouterr().err


@pytest.mark.parametrize("broken", ["task.reward_model.teaching.queries=0"])
def test_a_bad_setting_is_told_where_it_was_typed(broken, tmp_path, capsys):
    assert main(["train", f"run_dir={tmp_path}/run", *RUN, broken]) == 1
    assert "teaching.queries is 0; at least 1" in capsys.readouterr().err

"""Whole runs with a human in them: demonstrations, interventions, crashes, an unplugged device."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.crashes import crash
from robot_rl.build.compose import compose
from robot_rl.build.run import build_trainer, make_envs
from robot_rl.cli import main
from robot_rl.episodes.folder import EpisodesFolder
from robot_rl.errors import HardwareError
from robot_rl.interventions.device import Moment, Reading, TeleopDevice
from robot_rl.interventions.gate import Gate, GateConfig
from robot_rl.training.checkpoint import load_newest
from robot_rl.training.monitor import Monitor
from robot_rl.training.run import RunDirectory
from tests.training.tiny_run import TINY, metrics, run_cli

STATE = ("task.state=true", "task.reward=sparse", "num_envs=0", "agent.seed_steps=0")
HUMAN = (
    "human.device=simulated",
    "human.simulated.gate=random",
    "human.simulated.probability=0.2",
    "human.simulated.hold_high_s=0.6",
)


@pytest.fixture(scope="module")
def demos(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("demos") / "reach"
    run = run_cli("collect", "task=arm/reach", *STATE, "--out", str(out), "--episodes", "3")
    assert run.returncode == 0, run.stderr
    return out


def test_the_expert_demonstrates_and_the_same_command_adds(demos):
    first = list(EpisodesFolder(demos).episodes())
    assert all(e.finished and e.episode_return == 1.0 for e in first)
    assert {step.source for e in first for step in e.steps} == {"expert"}
    run = run_cli("collect", *STATE, "--episodes", "4", "--out", str(demos), "task=arm/reach")
    assert run.returncode == 0, run.stderr
    again = list(EpisodesFolder(demos).episodes())
    assert len(again) == len(first) + 1
    starts = {tuple(e.obs[0]["proprio"]) for e in again}
    assert len(starts) == len(again)  # no seed twice


def test_rlpd_learns_from_demonstrations_and_interventions(demos, tmp_path):
    run = run_cli(
        "train",
        *TINY,
        *STATE,
        *HUMAN,
        "agent=rlpd",
        "steps=150",
        f"demos=[{demos}]",
        "replay_ratio=0.2",
        "agent.ensemble_size=3",
        f"run_dir={tmp_path}",
    )
    assert run.returncode == 0, run.stderr
    assert "steps of demonstrations" in run.stderr
    row = metrics(tmp_path)[-2]
    assert 0 < row["train/intervention_rate"] < 1
    assert row["steps/policy"] + row["steps/human"] + row.get("steps/nobody", 0) == row["step"]
    stored = [s for e in EpisodesFolder(tmp_path).episodes() for s in e.steps]
    assert len(stored) == 150
    human = [s for s in stored if s.source == "human"]
    assert human
    assert all(np.allclose(s.action, s.human_action, atol=1e-6) for s in human)
    assert all(s.policy_action is not None for s in stored)
    # A segment is named after the step that opens it.
    for before, after in itertools.pairwise(stored):
        assert (after.segment == before.segment) <= (after.source == before.source)


def test_expert_and_human_turn_the_tool_of_an_arm_that_can(tmp_path):
    peg = [*STATE, "task=arm/peg_insert", "task.options.random_yaw=true"]
    out, run_dir = tmp_path / "peg", tmp_path / "run"
    made = run_cli("collect", *peg, "--out", str(out), "--episodes", "1")
    assert made.returncode == 0, made.stderr
    settings = ["agent=rlpd", "agent.ensemble_size=2", "replay_ratio=0.2", "steps=60"]
    run = run_cli("train", *TINY, *peg, *HUMAN, *settings, f"demos=[{out}]", f"run_dir={run_dir}")
    assert run.returncode == 0, run.stderr
    for folder, source in ((out, "expert"), (run_dir, "human")):
        steps = [s for e in EpisodesFolder(folder).episodes() for s in e.steps]
        turns = [s.action[3] for s in steps if s.source == source]
        assert {len(s.action) for s in steps} == {4}
        assert np.abs(turns).max() > 0.5


@pytest.mark.parametrize("agent", ["rlif", "iwr", "dagger", "drqv2"])
def test_others_learn_from_people_too(demos, tmp_path, agent):
    settings = [*STATE, f"demos=[{demos}]"]
    if agent == "drqv2":  # which needs cameras
        settings = ["num_envs=0", "agent.seed_steps=0", "agent.taught_fraction=0.25"]
    run = run_cli(
        "train", *TINY, *settings, *HUMAN, f"agent={agent}", "steps=30", f"run_dir={tmp_path}"
    )
    assert run.returncode == 0, run.stderr
    assert {"human", "policy"} <= {
        s.source for e in EpisodesFolder(tmp_path).episodes() for s in e.steps
    }


def test_other_demonstrations_are_refused_field_by_field(demos, tmp_path):
    run = run_cli(
        "train",
        *TINY,
        *STATE,
        "task=arm/lift",
        f"demos=[{demos}]",
        "agent=rlpd",
        f"run_dir={tmp_path}",
    )
    assert run.returncode == 1
    assert run.stderr.strip().splitlines()[-1].startswith("robot-rl: the demonstration folder")
    assert "actions" in run.stderr


def test_a_demonstration_file_cut_short_is_used_up_to_there(demos, tmp_path):
    torn = tmp_path / "torn"
    torn.mkdir()
    for path in demos.iterdir():
        (torn / path.name).write_bytes(path.read_bytes())
    last = sorted(torn.glob("*.rows"))[-1]
    last.write_bytes(last.read_bytes()[:-7])
    run = run_cli(
        "train",
        *TINY,
        *STATE,
        "agent=bc",
        "steps=5",
        f"demos=[{torn}]",
        f"run_dir={tmp_path / 'run'}",
    )
    assert run.returncode == 0, run.stderr
    assert "passing over a torn record" in run.stderr


def test_a_task_without_an_expert_is_refused(tmp_path):
    run = run_cli("collect", "task=dmc/cartpole_balance", "--out", str(tmp_path / "x"))
    assert run.returncode == 1
    assert "a task with a scripted expert" in run.stderr


def test_another_device_may_continue_a_run(tmp_path):
    first = run_cli("train", *TINY, *STATE, *HUMAN, "agent=sac", "steps=20", f"run_dir={tmp_path}")
    assert first.returncode == 0, first.stderr
    again = run_cli("train", "human.device=none", "steps=30", f"run_dir={tmp_path}")
    assert again.returncode == 0, again.stderr
    stored = [s for e in EpisodesFolder(tmp_path).episodes() for s in e.steps]
    assert len(stored) == 30
    assert {s.source for s in stored[20:]} == {"policy"}


@pytest.mark.parametrize(
    ("agent", "text"), [("rlif", "paid by takeovers alone"), ("bc", "nobody shows it anything")]
)
def test_who_learns_from_people_alone_is_refused_without_any(tmp_path, capsys, agent, text):
    assert main(["train", *TINY, *STATE, f"agent={agent}", f"run_dir={tmp_path}"]) == 1
    (line,) = [li for li in capsys.readouterr().err.splitlines() if li.startswith("robot-rl: ")]
    assert text in line
    assert "human.device=simulated" in line


def test_a_start_that_was_refused_binds_nobody(demos, tmp_path):
    typo = run_cli(
        "train", *TINY, *STATE, "agent=rlpd", "steps=5", "demos=[runs/typo]", f"run_dir={tmp_path}"
    )
    assert "holds no episodes" in typo.stderr
    mended = [*TINY, *STATE, "agent=rlpd", f"demos=[{demos}]", f"run_dir={tmp_path}"]
    assert run_cli("train", *mended, "steps=5").returncode == 0
    # From the first step on the settings stand.
    other = run_cli("train", *mended, "steps=9", "agent.gamma=0.5")
    assert "started with other values of agent.gamma" in other.stderr
    assert run_cli("train", "steps=9", f"run_dir={tmp_path}").returncode == 0


def test_dense_demonstrations_are_refused_where_reward_is_sparse(tmp_path):
    out = tmp_path / "dense"
    made = run_cli(
        "collect",
        "task=arm/reach",
        *STATE,
        "task.reward=dense",
        "--out",
        str(out),
        "--episodes",
        "1",
    )
    assert made.returncode == 0, made.stderr
    run = run_cli("train", *TINY, *STATE, "agent=rlpd", f"demos=[{out}]", f"run_dir={tmp_path}")
    assert run.returncode == 1
    assert "and task.reward=sparse pays 0 or 1" in run.stderr


def test_demonstrations_do_not_take_the_room_of_the_run(demos, tmp_path):
    run = [*TINY, *STATE, "agent=rlpd", f"demos=[{demos}]", "replay.capacity=20"]
    directory = RunDirectory(tmp_path)
    directory.open()
    replay = build_trainer(compose(run), directory).parts.replay
    few = build_trainer(compose([*run, "demo_episodes=2"]), directory).parts.replay
    directory.close()
    stored = list(EpisodesFolder(demos).episodes())
    assert sum(len(e.obs) for e in stored) > 20
    assert replay.storage.size.tolist() == [20, sum(len(e.obs) for e in stored)]
    assert len(replay) == sum(len(e.steps) for e in stored)
    assert few.storage.size.tolist() == [20, sum(len(e.obs) for e in stored[:2])]


def test_offline_updates_come_before_the_first_step(demos, tmp_path):
    run = run_cli(
        "train",
        *TINY,
        *STATE,
        "agent=bc",
        "steps=0",
        "offline_updates=20",
        f"demos=[{demos}]",
        f"run_dir={tmp_path}",
    )
    assert run.returncode == 0, run.stderr
    state = load_newest(tmp_path / "checkpoints")
    assert state is not None
    assert state["updates"] == 20


@pytest.mark.parametrize("device", ["keyboard", "simulated"])
def test_whoever_takes_over_is_told_where_the_axes_stand(device):
    envs = make_envs(compose([*TINY, *STATE, f"human.device={device}"]), first_episode=0)
    (opening,) = envs.reset()
    assert opening.scene is not None
    np.testing.assert_allclose(opening.scene.measured["tcp_z"], opening.obs["proprio"][2])
    envs.close()


class Unplugged(TeleopDevice):
    """Held for a while, then gone."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def read(self, moment: Moment) -> Reading:
        self._steps -= 1
        if self._steps < 0:
            raise HardwareError("the pad was unplugged. What was recorded is on disk.")
        return Reading(held=True, action=np.full(3, 0.25, np.float32))


def test_a_device_unplugged_in_the_middle_loses_nothing(tmp_path):
    config = compose([*TINY, *STATE, "agent=rlpd", "steps=200", "agent.ensemble_size=2"])
    directory = RunDirectory(tmp_path)
    directory.open()
    trainer = build_trainer(config, directory)
    trainer.parts.gates = [Gate(Unplugged(37), GateConfig(), trainer.parts.interface)]
    trainer.load_or_start()
    learner = trainer.learner
    monitor = Monitor(tmp_path, "test", learner.shown, learner.progress(), live=False)
    with pytest.raises(HardwareError, match="unplugged"):
        trainer.train(monitor, lambda: False)
    monitor.close()
    directory.close()
    stored = [s for e in EpisodesFolder(tmp_path).episodes() for s in e.steps]
    assert len(stored) == 37
    assert {s.source for s in stored} == {"human"}
    assert load_newest(tmp_path / "checkpoints") is not None


def test_kill_9_during_interventions_loses_and_doubles_nothing(demos, tmp_path):
    for after_s in (0.05, 0.3, 0.6):
        found = crash(tmp_path, [f"demos=[{demos}]"], after_s)
        assert found.on_disk >= found.told
        assert found.in_order

"""`robot-rl collect|train|eval robot=sim_arm`: a robot is one more environment."""

import io
import shutil

import numpy as np
import pytest

from hardware.calibration.pictures import Pictures
from robot_rl.cli import main
from robot_rl.episodes.folder import EpisodesFolder
from robot_rl.types import Interface
from tests.training.tiny_run import TINY, metrics

ROBOT = ("robot=sim_arm", "task=arm/reach")
# Two short episodes are enough to see it learn, be evaluated, and learn on.
SHORT = ("robot.episode_s=1.2", "eval_every_steps=15", "steps=30", "agent.seed_steps=6")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A run in simulation, hardly trained."""
    root = tmp_path_factory.mktemp("simulated") / "run"
    assert (
        main(["train", *TINY, "steps=12", "agent.seed_steps=12", "num_envs=0", f"run_dir={root}"])
        == 0
    )
    return root


def test_the_expert_demonstrates_on_the_robot(tmp_path):
    out = tmp_path / "demos"
    assert (
        main(["collect", *ROBOT, "task.image_size=32", "--episodes", "1", "--out", str(out)]) == 0
    )
    (episode,) = EpisodesFolder(out).episodes()
    assert {step.source for step in episode.steps} == {"expert"}
    assert episode.episode_return == 1.0
    # The arm follows, so what is recorded as applied did what it says: 3 cm for an action of 1.
    moved = episode.obs[-1]["proprio"][:3] - episode.obs[0]["proprio"][:3]
    applied = 0.03 * sum(step.action for step in episode.steps)
    np.testing.assert_allclose(moved, applied, atol=0.035)


def test_it_learns_on_the_robot_is_evaluated_there_and_goes_on(tmp_path, simulated):
    root = tmp_path / "run"
    command = ["train", *ROBOT, *TINY, *SHORT, f"run_dir={root}"]
    assert main([text for text in command if text != "eval_every_steps=1000000"]) == 0
    Interface.load(root / "interface.json").require_equal(
        Interface.load(simulated / "interface.json"), "the robot"
    )
    steps = [s for e in EpisodesFolder(root).episodes() for s in e.steps]
    assert len(steps) == 30
    by = [step.source for step in steps]
    assert by[:6] == ["random"] * 6
    # The evaluation at step 15 had the robot: the episode under way ended there, standing still.
    assert by[15:16] == ["nobody"]
    assert steps[15].truncated
    assert not steps[15].action.any()
    assert set(by[6:15] + by[16:]) == {"policy"}
    evaluated = [row for row in metrics(root) if "eval/episodes" in row]
    assert [row["step"] for row in evaluated] == [15, 30]
    assert main(["train", f"run_dir={root}", "steps=32"]) == 0
    assert (root / "policy" / "card.md").exists()


def test_a_person_who_judges_is_asked_by_the_evaluations_of_a_run(tmp_path, monkeypatch, capsys):
    judged = ("robot.success=person", "eval_episodes=2", "final_eval_episodes=0")
    tiny = [text for text in TINY if text != "eval_every_steps=1000000"]
    run = ["eval_every_steps=12", "steps=14", "agent.seed_steps=6", "robot.episode_s=0.5"]
    command = ["train", *ROBOT, *tiny, *run, *judged]
    monkeypatch.setattr("sys.stdin", io.StringIO("y\nn\n"))
    assert main([*command, f"run_dir={tmp_path / 'run'}"]) == 0
    assert capsys.readouterr().out.count("Did it succeed?") == 2
    (evaluated,) = [row for row in metrics(tmp_path / "run") if "eval/episodes" in row]
    assert (evaluated["eval/success_rate"], evaluated["eval/return_mean"]) == (0.5, 0.5)
    # Nobody there to answer, and a terminal that drives.
    assert main([*command, f"run_dir={tmp_path / 'alone'}"]) == 1
    assert "asks at a terminal, and there is none" in capsys.readouterr().err
    driven = ["human.device=keyboard", f"run_dir={tmp_path / 'keyboard'}"]
    assert main([*command, *driven]) == 1
    assert "reads the same terminal" in capsys.readouterr().err


def test_what_was_learned_in_simulation_is_evaluated_on_the_robot_by_one_command(simulated, capsys):
    command = ["eval", str(simulated), "robot=sim_arm", "robot.episode_s=0.5", "--episodes", "1"]
    assert main(command) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert printed["episodes"] == "1"
    assert float(printed["length_mean_steps"]) == 5.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("image_size: 32", "image_size: 48"), "cameras[0].height is 48 here and 32 there"),
        (("name: arm/reach", "name: arm/lift"), "task is 'arm/lift' here and 'arm/reach' there"),
    ],
)
def test_a_robot_of_another_interface_is_refused_field_by_field(
    simulated, tmp_path, capsys, change, words
):
    policy = shutil.copytree(simulated / "policy", tmp_path / "policy")
    config = policy / "config.yaml"
    config.write_text(config.read_text().replace(*change))
    assert main(["eval", str(policy), "robot=sim_arm"]) == 1
    error = capsys.readouterr().err
    assert "was made for another interface" in error
    assert words in error


def test_an_evaluation_takes_settings_of_the_robot_alone(simulated, capsys):
    assert main(["eval", str(simulated), "robot=sim_arm", "task.image_size=32"]) == 1
    assert "task.image_size=32 cannot be set here" in capsys.readouterr().err
    assert main(["eval", str(simulated), "robot=none"]) == 1
    assert "no robot is named" in capsys.readouterr().err
    assert main(["eval", str(simulated), "robot=sim_am"]) == 1
    assert "unknown robot 'sim_am'. Choose one of: sim_arm" in capsys.readouterr().err


def test_a_robot_of_the_users_own_lies_beside_him(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "configs" / "robot"
    folder.mkdir(parents=True)
    (folder / "my_arm.yaml").write_text(
        "# @package _global_\n# the arm on my desk\ndefaults: [/robot/sim_arm, _self_]\n"
        "robot: {episode_s: 7.5}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["list", "robots"]) == 0
    assert "my_arm   the arm on my desk" in capsys.readouterr().out
    from robot_rl.build.compose import compose

    robot = compose(["robot=my_arm"]).robot
    assert (robot.episode_s, robot.arm.driver) == (7.5, "sim")


def test_pictures_are_taken_where_the_arm_stands(tmp_path, monkeypatch, capsys):
    """For a calibration: one for every Enter, with the tool's pose."""
    out = tmp_path / "pictures"
    monkeypatch.setattr("sys.stdin", io.StringIO("\n\nq\n\n"))
    command = ["calibrate", "record", *ROBOT, "task.image_size=48", "--out", str(out)]
    assert main(command) == 0
    pictures = list(Pictures(out))
    assert [picture.name for picture in pictures] == ["000.png", "001.png"]
    for picture in pictures:
        assert picture.image.std() > 5
        assert picture.tool is not None
        # The tool points down, somewhere over the table.
        np.testing.assert_allclose(picture.tool[:3, 2], (0.0, 0.0, -1.0), atol=0.05)
        assert 0.2 < picture.tool[0, 3] < 0.6

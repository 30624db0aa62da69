"""What is said of a reward model: by hand, and by the command on a folder of every outcome."""

import csv

import numpy as np
import pytest
from scipy.stats import spearmanr

from robot_rl.cli import main
from robot_rl.errors import ConfigError
from robot_rl.rewards.judging import Judged, auc, epic, false_positives, judge, threshold_of
from robot_rl.rewards.model import Scores
from robot_rl.rewards.ranks import rank_correlation
from robot_rl.rewards.told import told, until_done
from tests.rewards.seen import STEPS, climb, picture, record
from tests.rewards.test_labels import Heights


def judged(succeeded: bool, success: list[float], paid: list[float] | None = None) -> Judged:
    said = np.array(success, np.float32)
    own = np.array(paid or said[1:], np.float32)
    return Judged(succeeded, Scores(said, said, said), own, len(said))


def test_auc_counts_pairs_and_half_the_ties():
    good = [judged(True, [0.0, 0.9]), judged(True, [0.0, 0.5])]
    bad = [judged(False, [0.9, 0.5]), judged(False, [0.0, 0.1])]
    assert auc([*good, *bad]) == pytest.approx((2 + 1.5) / 4)


def test_a_false_positive_is_a_failure_that_ever_looks_done():
    good = [judged(True, [0.0, 0.5 + i / 20]) for i in range(10)]
    threshold = threshold_of(good)
    assert threshold == pytest.approx(0.5)  # nine of ten reach at least this
    bad = [judged(False, [0.6, 0.0]), judged(False, [0.4, 0.4])]
    assert false_positives(bad, threshold) == 0.5


def test_epic_forgets_scale_and_offset():
    paid = [0.1, 0.4, 0.2]
    same = [judged(True, [0.0, *(5.0 + 3.0 * np.array(paid))], paid)]
    other = [judged(True, [0.0, *(-np.array(paid))], paid)]
    assert epic(same) == pytest.approx(0.0, abs=1e-3)
    assert epic(other) == pytest.approx(1.0)
    assert np.isnan(epic([judged(True, [1.0, 1.0, 1.0], [0.1, 0.2])]))


def test_ranks_are_scipys():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 5, (2, 12))
        assert rank_correlation(a, b) == pytest.approx(float(spearmanr(a, b).statistic))
    assert rank_correlation(np.ones(3), np.arange(3)) == 0.0


def test_a_perfect_model_and_a_blind_one():
    episodes = [(True, climb(left=x)) for x in range(4, 14)]
    episodes += [(False, climb(h, left=x)) for x in (6, 9) for h in (0.1, 0.4, 0.6, 0.8)]
    verdict, judged_ones = judge(Heights(), "", episodes, episodes[::3])
    assert len(judged_ones) == len(episodes)
    assert (verdict.auc, verdict.auc_unlike, verdict.false_positives) == (1.0, 1.0, 0.0)
    assert verdict.order_success == pytest.approx(1.0)
    assert verdict.epic == pytest.approx(0.0, abs=0.02)

    class Blind(Heights):
        def score(self, clip, task) -> Scores:
            return Scores.of_progress(np.full(len(clip["image/cam0"]), 0.3))

    blind, _ = judge(Blind(), "", episodes)
    assert (blind.auc, blind.order_success, blind.constant) == (0.5, 0.0, True)
    assert not verdict.constant
    assert blind.false_positives == 1.0
    assert np.isnan(blind.auc_unlike)


def test_a_folder_without_a_success_says_what_to_make(tmp_path):
    record(tmp_path, [climb(0.5), climb(0.4)])
    interface, found = told(tmp_path)
    assert [succeeded for succeeded, _ in found] == [False, False]
    with pytest.raises(ConfigError, match=r"have 0 success\. Make both: robot-rl rewards episodes"):
        judge(Heights(), "", found)
    record(tmp_path / "sparse", [climb(), climb()])
    assert [s for s, _ in told(tmp_path / "sparse")[1]] == [True, True]
    assert interface.cameras[0].name == "cam0"


def test_a_success_leads_up_to_what_was_paid_best_first():
    assert until_done(climb()) == STEPS + 1
    held = climb()
    for step in held.steps[5:]:
        object.__setattr__(step, "reward", 1.0)
    assert until_done(held) == 7


def test_the_commands_make_episodes_and_judge_by_them(tmp_path, capsys):
    """The whole road: episodes of every outcome, a table, a picture, a CSV that grows."""
    folder, table = tmp_path / "eps", tmp_path / "table.csv"
    small = ["task.image_size=16", "task.source_size=0"]
    make = ["rewards", "episodes", "--out", str(folder), "--each", "2", "task=arm/reach", *small]
    assert main(make) == 0
    assert main(make) == 0  # goes on where it stands: nothing is missing
    said = capsys.readouterr().out
    assert said.count("   2  near_miss") == 2
    assert "wrong_object" not in said
    command = ["rewards", "eval", str(folder), "--unlike", str(folder), "--csv", str(table)]
    asked = ["reward=goal_picture", f"task.reward_model.settings.goal={folder}/shown"]
    asked += ["task.reward_model.settings.encoder=pixels:8"]
    constant = "reward=classifier task.reward_model.settings.folder=nowhere"
    assert main([*command, "--picture", str(tmp_path / "said.png"), *asked]) == 0
    said = capsys.readouterr().out
    for words in ("goal_picture pixels", "random", "false", "EPIC"):
        assert words in said
    rows = list(csv.DictReader(table.open()))
    assert [row["task"] for row in rows] == ["arm/reach"] * len(rows)
    assert (tmp_path / "said.png").stat().st_size > 10_000
    assert main([*command, "--also", constant]) == 1
    assert "holds no usable success classifier" in capsys.readouterr().err
    assert main(command) == 1
    assert "no reward was named" in capsys.readouterr().err


def test_a_constant_reward_is_warned_of(tmp_path, capsys):
    for name, reaches in (("success", 1.0), ("near_miss", 0.5)):
        record(tmp_path / name, [climb(reaches) for _ in range(3)])
    import cv2

    cv2.imwrite(str(tmp_path / "goal.png"), picture(0.0) * 0)
    settings = f"task.reward_model.settings.goal={tmp_path}/goal.png"
    command = ["rewards", "eval", str(tmp_path), "reward=goal_picture", settings]
    assert main([*command, "task.reward_model.settings.encoder=pixels:1"]) == 0
    assert "says the same of every picture" in capsys.readouterr().out

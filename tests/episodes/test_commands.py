"""`robot-rl episodes ...` in this process."""

import dataclasses

import av
import numpy as np
import pytest

from robot_rl.cli import main
from robot_rl.episodes.folder import EpisodesFolder, create, write_episode
from tests.episodes.test_folder import INTERFACE, make_episode


@pytest.fixture
def folder(tmp_path):
    journal = create(tmp_path / "a", INTERFACE)
    for seed, success in ((0, True), (1, False)):
        write_episode(journal, make_episode(seed=seed, success=success))
    journal.begin(make_episode().obs[0])
    journal.add(make_episode().steps[0], make_episode().obs[1])  # whoever recorded it was killed
    journal.close()
    return tmp_path / "a"


def test_list_has_a_line_for_each(folder, capsys):
    assert main(["episodes", "list", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "success" in lines[1]
    assert "4 by human, 2 by policy" in lines[1]
    assert "time is up" in lines[2]
    assert "unfinished" in lines[3]


def test_check_tells_what_is_wrong_and_exits_with_1(folder, capsys):
    assert main(["episodes", "check", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "0/2: unfinished" in out
    assert "3 episodes checked, 1 findings" in out


def test_folders_of_two_interfaces_are_refused(folder, tmp_path, capsys):
    other = dataclasses.replace(INTERFACE, control_rate_hz=20.0)
    create(tmp_path / "b", other).close()
    for action in (["check"], ["merge", "--out", str(tmp_path / "c")]):
        arguments = ["episodes", action[0], str(folder), str(tmp_path / "b"), *action[1:]]
        assert main(arguments) == 1
        assert "control_rate_hz is 20.0 here and 10.0 there" in capsys.readouterr().err


def test_merge_leaves_torn_episodes_out_where_asked(folder, tmp_path, capsys):
    out = tmp_path / "all"
    arguments = ["episodes", "merge", str(folder), str(folder), "--out", str(out)]
    assert main([*arguments, "--finished-only"]) == 0
    assert [len(e.steps) for e in EpisodesFolder(out).episodes()] == [6, 6, 6, 6]
    assert main(arguments) == 1
    assert "is not empty" in capsys.readouterr().err


def test_show_films_one_or_all(folder, tmp_path, capsys):
    film = tmp_path / "film.mp4"
    assert main(["episodes", "show", str(folder), "--episode", "0/1", "--out", str(film)]) == 0
    with av.open(str(film)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert (len(frames), frames[0].shape) == (6, (288, 512, 3))
    np.testing.assert_allclose(frames[0][4, 250], (59, 130, 246), atol=12)
    assert main(["episodes", "show", str(folder), "--episode", "7/7", "--out", str(film)]) == 1
    assert "unknown episode '7/7'. Choose one of: 0/0, 0/1, 0/2" in capsys.readouterr().err


def test_a_policy_without_a_camera_imports_bags(tmp_path, capsys):
    policy = tmp_path / "policy"
    policy.mkdir()
    (policy / "policy.safetensors").touch()
    dataclasses.replace(INTERFACE, cameras=()).save(policy / "interface.json")
    out = ["--policy", str(policy), "--out", str(tmp_path / "out")]
    assert main(["episodes", "import", str(tmp_path / "bag"), *out]) == 1
    assert "is not a finished bag" in capsys.readouterr().err


def test_export_refuses_to_overwrite(folder, tmp_path, capsys):
    for kind in ("lerobot", "robomimic"):
        arguments = [
            "episodes",
            "export",
            str(folder),
            "--format",
            kind,
            "--out",
            str(tmp_path / kind),
        ]
        assert main(arguments) == 0
        assert main(arguments) == 1
        assert "give a new" in capsys.readouterr().err

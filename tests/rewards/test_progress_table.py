"""lerobot's table of progress, written and read, and what it pays."""

import numpy as np
import pyarrow.parquet as parquet
import pytest

from robot_rl.cli import main
from robot_rl.episodes.folder import EpisodesFolder
from robot_rl.errors import ConfigError, CorruptFileError, InterfaceMismatchError
from robot_rl.rewards.labels import LabelFile
from robot_rl.rewards.progress_table import read, write
from tests.rewards.seen import STEPS, climb, record
from tests.rewards.test_labels import labelled


def test_there_and_back(tmp_path):
    episodes = [climb(name="0"), climb(0.5, name="1")]
    labels = labelled(tmp_path, episodes)
    assert write(labels, episodes, tmp_path / "p.parquet") == 2 * STEPS
    table = parquet.read_table(tmp_path / "p.parquet").to_pydict()
    assert table["index"] == list(range(2 * STEPS))
    assert table["episode_index"] == [0] * STEPS + [1] * STEPS
    np.testing.assert_allclose(
        table["progress_sparse"][:STEPS], np.linspace(0, 1, STEPS + 1)[:-1], atol=0.05
    )
    again = LabelFile(tmp_path, "table")
    assert read(tmp_path / "p.parquet", again, episodes) == 2
    paid = LabelFile(tmp_path, "table").paid(episodes[0])
    risen = np.append(np.diff(table["progress_sparse"][:STEPS]), 0.0)
    np.testing.assert_allclose(paid, risen, atol=2e-5)  # labels keep five digits
    with pytest.raises(InterfaceMismatchError, match="written for other episodes"):
        read(tmp_path / "p.parquet", LabelFile(tmp_path, "x"), episodes[:1])
    with pytest.raises(ConfigError, match="has no label"):
        write(labels, [climb(0.9, name="2")], tmp_path / "q.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match="no table of progress"):
        read(tmp_path / "bad.parquet", LabelFile(tmp_path, "y"), episodes)


def test_the_commands(tmp_path, capsys):
    folder = record(tmp_path / "episodes", [climb(), climb(0.5)])
    table = tmp_path / "random_progress.parquet"
    label = ["rewards", "label", str(folder), "reward=random", "--parquet", str(table)]
    assert main(label) == 0
    assert (
        main(["rewards", "import", str(folder), "--parquet", str(table), "--name", "theirs"]) == 0
    )
    assert "demo_labels=theirs" in capsys.readouterr().out
    ours, theirs = (LabelFile(folder, name) for name in ("random", "theirs"))
    for episode in EpisodesFolder(folder).episodes():
        np.testing.assert_allclose(
            ours.of(episode).progress[:-1], theirs.of(episode).progress[:-1], atol=1e-4
        )

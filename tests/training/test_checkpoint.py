"""Checkpoints: what was saved comes back, and no kill and no damage takes the last one."""

from functools import partial

import pytest
import torch

from robot_rl.errors import CorruptFileError
from robot_rl.training.checkpoint import checkpoints, load_newest, save_checkpoint
from tests.killed import killed_at


def test_checkpoint_round_trip_keeps_the_newest_two(tmp_path):
    state = {"a": torch.arange(3), "n": None, "t": [1, {"x": torch.ones(2)}], "ints": {0: {"s": 2}}}
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, {**state, "step": step})
    names = [path.name for path in checkpoints(tmp_path)]
    assert names == ["step-000000000002-save-000001", "step-000000000003-save-000002"]
    loaded = load_newest(tmp_path)
    assert loaded is not None
    assert loaded["step"] == 3
    assert loaded["ints"] == {0: {"s": 2}}
    assert loaded["n"] is None
    torch.testing.assert_close(loaded["t"][1]["x"], torch.ones(2))


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, name, damage, caplog):
    for step in (1, 2):
        save_checkpoint(tmp_path, step, {"w": torch.full((100,), float(step))})
    file = checkpoints(tmp_path)[-1] / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    {
        "truncate": lambda: file.write_bytes(data[: len(data) // 2]),
        "flip": lambda: file.write_bytes(data),
        "remove": file.unlink,
    }[damage]()
    loaded = load_newest(tmp_path)
    assert loaded is not None
    assert loaded["w"][0] == 1.0
    assert "trying the one before" in caplog.text


def test_nothing_readable_is_an_error_and_nothing_at_all_is_a_start(tmp_path):
    assert load_newest(tmp_path) is None
    path = save_checkpoint(tmp_path, 1, {"w": torch.ones(3)})
    (path / "state.json").write_text("{")
    with pytest.raises(CorruptFileError, match=r"no checkpoint .* is readable"):
        load_newest(tmp_path)


def test_a_kill_at_any_moment_leaves_a_readable_checkpoint_of_the_same_step(tmp_path):
    """Learning offline saves again and again at step 0."""
    save_checkpoint(tmp_path, 0, {"w": torch.full((9,), 0.0)})
    touch, killed = 0, True
    while killed:
        before = load_newest(tmp_path)["w"][0]
        state = {"w": torch.full((9,), touch + 1.0)}
        killed = killed_at(touch, partial(save_checkpoint, tmp_path, 0, state))
        found = load_newest(tmp_path)["w"][0]
        assert found in (before, touch + 1.0)
        touch += 1
    assert touch > 15
    assert found == touch  # what was saved last
    save_checkpoint(tmp_path, 0, {"w": torch.zeros(9)})
    assert sorted(tmp_path.iterdir()) == checkpoints(tmp_path)  # and nothing half written is left
    assert len(checkpoints(tmp_path)) == 2


def test_the_last_save_wins_whatever_its_step(tmp_path):
    for step in (30, 20):  # a journal that lost its end resumes earlier
        save_checkpoint(tmp_path, step, {"step": step})
    assert load_newest(tmp_path) == {"step": 20}

"""Alignment by header stamps, on hand-made messages."""

import numpy as np

from robot_rl.episodes import bag_reader
from robot_rl.episodes.bag_reader import _align, _finish, _Messages, _nearest, _within
from robot_rl.types import ActionField, CameraField, Interface

INTERFACE = Interface(
    task="arm/reach", control_rate_hz=10.0, proprio=(),
    cameras=(CameraField(name="front", height=4, width=4, rate_hz=10.0),),
    actions=(ActionField(name="tcp_dx", unit="m", scale=0.03, control="delta"),),
)  # fmt: skip


def test_the_nearest_item_is_found_on_either_side_and_not_beyond_the_skew():
    items = [1.0, 2.0, 2.1, 3.0]
    found = [_nearest(items, at_s, float) for at_s in (0.96, 2.04, 2.06, 3.04, 2.5, 9.0)]
    assert found == [1.0, 2.0, 2.1, 3.0, None, None]
    assert _nearest([], 1.0, float) is None


def test_the_last_command_of_a_period_counts():
    applied = [(1.0, (1.0,), "policy"), (1.05, (2.0,), "human"), (1.1, (3.0,), "policy")]
    assert _within(applied, 1.0, 1.1) == ((2.0,), "human")
    assert _within(applied, 1.1, 1.2) == ((3.0,), "policy")
    assert _within(applied, 1.2, 1.3) is None
    assert _within(applied, 0.5, 1.0) is None


def test_a_gap_ends_one_recording_and_begins_another():
    stamps_s = [10.0, 10.1, 10.2, 10.9, 11.0, 11.1]
    frames = [(t, np.full((4, 4, 3), i, np.uint8)) for i, t in enumerate(stamps_s)]
    applied = [(t + 0.01, (0.15, 0.0, 0.0, 0.0), "policy") for t in stamps_s]
    parts = _align(_Messages(frames={"front": frames}, applied=applied), INTERFACE)
    assert [len(part.obs) for part in parts] == [3, 3]
    assert [len(part.steps) for part in parts] == [2, 2]
    assert parts[1].obs[0]["image/front"][0, 0, 0] == 3
    np.testing.assert_allclose(parts[0].steps[0].action, [0.5])
    _finish(parts[0], None)
    assert (parts[0].steps[-1].terminated, parts[0].steps[-1].truncated) == (False, True)


def test_every_part_of_a_cut_bag_is_ended(monkeypatch):
    stamps_s = [10.0, 10.1, 10.9, 11.0]
    frames = [(t, np.zeros((4, 4, 3), np.uint8)) for t in stamps_s]
    applied = [(t + 0.01, (0.15, 0.0, 0.0, 0.0), "policy") for t in stamps_s]
    messages = _Messages(frames={"front": frames}, applied=applied)
    monkeypatch.setattr(bag_reader, "_read", lambda *_: messages)
    monkeypatch.setattr(bag_reader, "custom_data", lambda _: {"success": "true"})
    first, last = bag_reader.read_recording(None, INTERFACE, {})
    assert (first.steps[-1].truncated, first.success) == (True, None)
    assert (last.steps[-1].terminated, last.steps[-1].reward, last.success) == (True, 1.0, True)

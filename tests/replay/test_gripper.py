"""Commands that change what the gripper was told to do."""

import numpy as np
import pytest

from robot_rl.replay import Replay, Transitions
from robot_rl.replay.storage import Step
from robot_rl.types import PROPRIO, ActionField
from tests.interventions.served import arm_interface, interface_of


def told(*episodes: list[float], interface=None, **draws) -> Replay:
    """One gripper command a step, the last of the actions."""
    interface = interface or arm_interface()
    draws = {"nstep": 1, "gamma": 0.5, "frame_stack": 1} | draws
    replay = Replay(100, Transitions(**draws), interface, 1, seed=0)
    obs = {PROPRIO: np.zeros(interface.proprio_size, np.float32)}
    for commands in episodes:
        replay.begin(0, obs)
        for command in commands:
            action = np.zeros(interface.action_size, np.float32)
            action[-1] = command
            replay.add(0, Step(action, 0.0, False, command is commands[-1]), obs)
    return replay


def changes(replay: Replay, rows: int) -> list[float]:
    at = np.arange(rows)
    return replay.gather(np.zeros(rows, np.int64), at).gripper_changes.tolist()


def test_one_closing_counts_once_however_long_it_is_held():
    commands = [0.0, 1.0, 0.9, 1.0, 0.2, 1.0, -1.0, -0.4, 0.5]
    wanted = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0]
    assert changes(told(commands), len(commands)) == wanted


def test_an_episode_begins_open():
    replay = told([1.0, 1.0], [-1.0, 1.0])
    assert changes(replay, 2) == [1.0, 0.0]
    assert replay.storage.gripper_change[[3, 4]].tolist() == [False, True]


def test_opening_is_what_widens_it():
    """A driver whose positive actions open."""
    gripper = ActionField(name="gripper", unit="m", scale=0.02, kind="displacement", hold=0.0)
    replay = told([1.0, -1.0], interface=interface_of(gripper))
    assert changes(replay, 2) == [0.0, 1.0]


def test_chatter_inside_a_window_is_paid_for():
    replay = told([1.0, -1.0, 1.0, 0.0], nstep=3)
    assert changes(replay, 4) == [1 + 0.5 + 0.25, 1 + 0.5, 1.0, 0.0]


@pytest.mark.parametrize("name", ["tcp_x", "thrust"])
def test_without_a_gripper_nothing_counts(name):
    field = ActionField(name=name, unit="m", scale=0.02, kind="displacement", hold=0.0)
    assert changes(told([1.0, -1.0], interface=interface_of(field)), 2) == [0.0, 0.0]

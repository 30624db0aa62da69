"""The terminal keyboard on a pseudo-terminal."""

import os
import pty
import time

import pytest

from robot_rl.errors import HardwareError
from robot_rl.interventions.keyboard import TerminalKeyboard
from robot_rl.interventions.operator import OperatorState, Wish
from tests.interventions.served import until

AXES = ("tcp_x", "tcp_rz", "gripper", "joint/elbow", "thrust")


@pytest.fixture
def terminal():
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stream:
        yield master, stream
    os.close(master)


def test_a_key_moves_for_a_moment_and_lets_go_by_itself(terminal):
    master, stream = terminal
    operator = OperatorState()
    keyboard = TerminalKeyboard(operator, AXES, stream)
    keyboard.start()
    os.write(master, b"w")
    time.sleep(0.08)
    assert operator.wish().held
    assert operator.wish().axes == {"tcp_x": 1.0}
    time.sleep(0.25)
    assert not operator.wish().held
    assert not operator.lost
    os.write(master, b"r")
    time.sleep(0.05)
    os.write(master, b"q")
    time.sleep(0.06)
    assert not operator.wish().held
    keyboard.close()


def test_every_axis_has_keys_and_others_let_go(terminal):
    master, stream = terminal
    operator = OperatorState()
    keyboard = TerminalKeyboard(operator, AXES, stream)
    assert set(keyboard.axes) == set(AXES)
    assert "w/s: x   o/c: gripper   j/l: yaw   1/2: elbow   3/4: thrust" in keyboard.help
    keyboard.start()
    for key, axes in (
        (b"l", {"tcp_rz": -1.0}),
        (b"o", {"gripper": 1.0}),
        (b"1", {"joint/elbow": 1.0}),
        (b"4", {"thrust": -1.0}),
    ):
        os.write(master, key)
        assert until(lambda axes=axes: operator.wish() == Wish(held=True, axes=axes))
    os.write(master, b"a")  # this robot has no tcp_y
    assert until(lambda: not operator.wish().held)
    os.write(master, b" ")
    assert until(lambda: operator.wish() == Wish(held=True))
    keyboard.close()


def test_keys_run_out_before_axes_do(terminal):
    _, stream = terminal
    many = tuple(f"joint/{i}" for i in range(12))
    assert TerminalKeyboard(OperatorState(), many, stream).axes == many[:9]


def test_without_a_terminal_it_says_so(tmp_path):
    with (tmp_path / "file").open("w+") as stream, pytest.raises(HardwareError, match="terminal"):
        TerminalKeyboard(OperatorState(), AXES, stream)


def test_a_closed_terminal_is_a_device_gone():
    master, slave = pty.openpty()
    operator = OperatorState()
    with os.fdopen(slave, "r") as stream:
        keyboard = TerminalKeyboard(operator, AXES, stream)
        keyboard._open()
        keyboard._thread.start()
        os.close(master)
        assert until(lambda: operator.gone == "the terminal of the keyboard was closed")
        keyboard._thread.join()


def test_a_word_is_said_with_one_key(terminal):
    master, stream = terminal
    operator = OperatorState()
    keyboard = TerminalKeyboard(operator, AXES, stream)
    keyboard.start()
    os.write(master, b"y")
    assert until(lambda: operator.take_events() == {"success"})
    assert not operator.wish().held
    keyboard.close()

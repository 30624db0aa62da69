"""The terminal keyboard on a pseudo-terminal."""

import os
import pty
import time

import pytest

from robot_rl.errors import HardwareError
from robot_rl.interventions.keyboard import TerminalKeyboard
from robot_rl.interventions.operator import OperatorState
from tests.interventions.served import until


@pytest.fixture
def terminal():
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stream:
        yield master, stream
    os.close(master)


def test_a_key_moves_for_a_moment_and_lets_go_by_itself(terminal):
    master, stream = terminal
    operator = OperatorState()
    keyboard = TerminalKeyboard(operator, stream)
    keyboard.start()
    os.write(master, b"w")
    time.sleep(0.08)
    assert operator.wish().held
    assert operator.wish().axes == (1, 0, 0, 0)
    time.sleep(0.25)
    assert not operator.wish().held
    assert not operator.lost
    os.write(master, b"r")
    time.sleep(0.05)
    os.write(master, b"q")
    time.sleep(0.06)
    assert not operator.wish().held
    keyboard.close()


def test_without_a_terminal_it_says_so(tmp_path):
    with (tmp_path / "file").open("w+") as stream, pytest.raises(HardwareError, match="terminal"):
        TerminalKeyboard(OperatorState(), stream)


def test_a_closed_terminal_is_a_device_gone():
    master, slave = pty.openpty()
    operator = OperatorState()
    with os.fdopen(slave, "r") as stream:
        keyboard = TerminalKeyboard(operator, stream)
        keyboard._open()
        keyboard._thread.start()
        os.close(master)
        assert until(lambda: operator.gone == "the terminal of the keyboard was closed")
        keyboard._thread.join()


def test_a_word_is_said_with_one_key(terminal):
    master, stream = terminal
    operator = OperatorState()
    keyboard = TerminalKeyboard(operator, stream)
    keyboard.start()
    os.write(master, b"y")
    assert until(lambda: operator.take_events() == {"success"})
    assert not operator.wish().held
    keyboard.close()

"""`robot-rl teleop` and `doctor teleop` on a pseudo-terminal, and the web page as a device."""

import contextlib
import os
import pty
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from robot_rl.episodes.folder import EpisodesFolder
from robot_rl.interventions.device import Moment
from robot_rl.interventions.operator import OperatorState
from robot_rl.interventions.web_device import WebDevice
from robot_rl.types import PROPRIO, proprio_place
from tests.interventions.served import arm_interface, until
from tests.training.tiny_run import REPOSITORY, command, run_cli


class Terminal:
    """A program on a pseudo-terminal, as over ssh."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command(*arguments),
            cwd=REPOSITORY,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            close_fds=True,
        )
        os.close(slave)
        self.text = ""

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for(self, text: str, timeout_s: float = 60.0) -> bool:
        os.set_blocking(self._master, False)

        def seen() -> bool:
            with contextlib.suppress(OSError):  # nothing yet, or the program has gone
                self.text += os.read(self._master, 65536).decode(errors="ignore")
            return text in self.text

        return until(seen, timeout_s)


def recorded_at_the_keyboard(out: Path, *task: str) -> Terminal:
    keyboard = ("task.state=true", "human.device=keyboard")
    return Terminal("teleop", *task, *keyboard, "--out", str(out))


def drive(terminal: Terminal, key: str, seconds: float) -> None:
    """Hold `key` down, call the attempt a failure, and end the session."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        terminal.type(key)
        time.sleep(0.03)
    terminal.type("n")
    assert terminal.wait_for("no success"), terminal.text
    terminal.type("q")
    assert terminal.process.wait(20) == 0


def test_a_person_drives_from_the_keyboard_and_is_recorded(tmp_path):
    terminal = recorded_at_the_keyboard(tmp_path / "mine", "task=arm/reach")
    assert terminal.wait_for("q: stop"), terminal.text
    drive(terminal, "w", 1.5)
    (episode,) = list(EpisodesFolder(tmp_path / "mine").episodes())
    driven = [step for step in episode.steps if step.source == "human"]
    assert len(driven) >= 8
    # w drives along x.
    assert all(step.action[0] == 1.0 and not step.action[1:].any() for step in driven)
    assert episode.obs[-1][PROPRIO][0] > episode.obs[0][PROPRIO][0] + 0.05
    gaps_s = np.diff([step.stamp_s for step in episode.steps])
    np.testing.assert_allclose(gaps_s, 0.1, atol=1e-6)


def test_a_person_turns_the_tool_of_an_arm_that_can(tmp_path):
    task = ("task=arm/peg_insert", "task.options.random_yaw=true")
    terminal = recorded_at_the_keyboard(tmp_path / "mine", *task)
    assert terminal.wait_for("j/l: yaw"), terminal.text
    drive(terminal, "l", 1.0)
    folder = EpisodesFolder(tmp_path / "mine")
    (episode,) = list(folder.episodes())
    driven = [step.action for step in episode.steps if step.source == "human"]
    assert len(driven) >= 4
    np.testing.assert_array_equal(driven, len(driven) * [[0.0, 0.0, 0.0, -1.0]])  # clockwise
    sine = proprio_place(folder.interface(), "tcp_yaw")
    assert episode.obs[-1][PROPRIO][sine] < -0.3


def test_the_doctor_shows_live_input():
    terminal = Terminal("doctor", "teleop", "--device", "keyboard", "--seconds", "20")
    assert terminal.wait_for("let go"), terminal.text
    end_s = time.monotonic() + 5
    while "held" not in terminal.text and time.monotonic() < end_s:
        terminal.type("a")
        terminal.wait_for("held", 0.05)
    assert "tcp_y" in terminal.text
    assert "tcp_rz" in terminal.text
    assert "held" in terminal.text
    terminal.type("q")
    assert terminal.process.wait(10) == 0


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ("gamepad", "no gamepad found"),
        ("spacemouse", "no SpaceMouse answers"),
        ("leader", "needs its driver: human.driver=NAME"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(device, told):
    run = run_cli("doctor", "teleop", "--device", device, "--seconds", "1")
    assert run.returncode == 1
    assert told in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_a_keyboard_without_a_terminal_is_one_line(tmp_path: Path):
    run = run_cli(
        "teleop",
        "task=arm/reach",
        "task.state=true",
        "human.device=keyboard",
    )
    assert run.returncode == 1
    assert "the keyboard needs a terminal" in run.stderr


def test_the_page_shows_what_the_device_sees():
    operator = OperatorState(silence_s=1.0)
    device = WebDevice(operator, arm_interface(), port=0)
    device.start()
    try:
        obs = {
            "image/front": np.full((8, 8, 3), (200, 10, 10), np.uint8),
            "image/wrist": np.zeros((8, 8, 3), np.uint8),
            PROPRIO: np.array([0.4, 0.0, 0.1, 0.04], np.float32),
        }
        moment = Moment(obs=obs, policy_action=np.array([0.5, 0, 0, 0], np.float32))
        assert not device.read(moment).held
        assert device._state["source"] == "policy"
        picture = cv2.imdecode(np.frombuffer(device._jpeg or b"", np.uint8), cv2.IMREAD_COLOR_RGB)
        assert picture.shape == (384, 768, 3)
        assert picture[100, 100, 0] > 150 > picture[100, 500, 0]
        operator.set(True, {"tcp_z": 1.0, "gripper": 1.0})
        reading = device.read(moment)
        np.testing.assert_allclose(reading.action, [0.0, 0.0, 1.0, -1.0])  # opening is negative
        assert device._state["source"] == "human"
        time.sleep(1.1)  # it falls silent with the dead-man held
        assert device.read(moment).lost
        assert device._state["source"] == "nobody"
        assert [row["applied"] for row in device._state["actions"]] == [0.0] * 4
        assert device.page._actions["success"]() == "noted: success"
        assert device.read(moment).events == {"success"}
    finally:
        device.close()

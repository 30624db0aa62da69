"""The launch files as they stand, and the shim that runs them without ROS's own launch."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from robot_rl.cli import main
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl_nodes.launching.evaluate import find_launch_file, make_plan
from tests.test_docs import commands

FILES = sorted(Path("ros2_ws/src/robot_rl_bringup/launch").glob("*.launch.py"))


def plan_of(name: str, *arguments: str):
    return make_plan(find_launch_file(name), arguments)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_launch_file_names_programs_that_exist(path):
    plan = make_plan(
        path,
        ("policy:=p", "driver:=a:B", "robot:=sim_arm")
        if "arm" in path.name
        else ("policy:=p",)
        if "sim" in path.name
        else (),
    )
    assert plan.processes
    for process in plan.processes:
        assert Path(process.command[0]).exists()
    assert all(argument.description for argument in plan.arguments.values())


def test_arguments_conditions_namespaces_and_types():
    plan = plan_of("sim", "policy:=some/run", "image_size:=84", "teleop:=true")
    names = [process.name for process in plan.processes]
    assert names == [
        "sim_robot_node",
        "camera_node",
        "camera_node",
        "safety_node",
        "teleop_node",
        "policy_node",
        "recorder_node",
    ]
    assert plan.processes[1].namespace == "/camera"
    (camera,) = plan.processes[1].parameters
    assert camera["width"] == 84
    assert list(plan.processes[5].parameters) == [
        {"policy": "some/run"},
        {"engine": "torch", "autostart": True, "cameras": ["front=/camera", "wrist=/wrist_camera"]},
    ]
    assert plan.processes[0].environment == {"ROBOT_RL_NETWORK": "false"}
    assert "teleop_node" not in [p.name for p in plan_of("sim", "policy:=x").processes]


LAUNCHED = [line for line in commands() if line.startswith("robot-rl launch ") and ":=" in line]


@pytest.mark.parametrize("line", LAUNCHED)
def test_what_the_pages_launch_has_those_arguments(line):
    file, *given = shlex.split(line, comments=True)[2:]
    assert plan_of(file, *given).processes


def test_wrong_arguments_are_refused_with_what_there_is():
    with pytest.raises(ConfigError, match="needs policy:=VALUE"):
        plan_of("sim")
    with pytest.raises(UnknownNameError, match=r"unknown launch argument 'polcy'.*policy"):
        plan_of("sim", "policy:=x", "polcy:=y")
    with pytest.raises(ConfigError, match="choose one of web, joy, keyboard"):
        plan_of("teleop", "device:=mouse")
    with pytest.raises(ConfigError, match="device:=VALUE"):
        plan_of("teleop", "device")
    with pytest.raises(UnknownNameError, match=r"Choose one of: sim"):
        plan_of("simm")


def test_show_lists_arguments_and_nodes(capsys):
    assert main(["launch", "teleop", "port:=9000", "--show"]) == 0
    told = capsys.readouterr().out
    assert "port:=9000" in told
    assert "/ teleop_node" in told


CHILD = """
import os, signal, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
stubborn = sys.argv[2] == "stubborn"
def leave(*_):
    (folder / f"{sys.argv[2]}.left").touch()
    if not stubborn:
        sys.exit(0)
signal.signal(signal.SIGINT, leave)
signal.signal(signal.SIGTERM, leave)
(folder / f"{sys.argv[2]}.pid").write_text(str(os.getpid()))
print("up", flush=True)
time.sleep(float(sys.argv[3]))
sys.exit(7)
"""

SUPERVISE = """
import sys
from robot_rl_nodes.launching import supervise
from robot_rl_nodes.launching.evaluate import Process
supervise._PATIENCE_S = (0.5, 0.5)
def child(name, life):
    command = (sys.executable, "-c", sys.argv[2], sys.argv[1], name, life)
    return Process(name=name, command=command, namespace="", parameters=(), environment={})
sys.exit(supervise.run([child("kind", "60"), child("stubborn", sys.argv[3])]))
"""


def supervise(tmp_path: Path, life_s: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SUPERVISE, str(tmp_path), CHILD, life_s]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def alive(tmp_path: Path, name: str) -> bool:
    try:
        os.kill(int((tmp_path / f"{name}.pid").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_process_even_a_stubborn_one(tmp_path, number):
    shim = supervise(tmp_path, "60")
    while len(list(tmp_path.glob("*.pid"))) < 2:
        time.sleep(0.02)
    shim.send_signal(number)
    told, _ = shim.communicate(timeout=10)
    assert shim.returncode == 0
    assert "[kind] up" in told
    assert {path.name for path in tmp_path.glob("*.left")} == {"kind.left", "stubborn.left"}
    assert not alive(tmp_path, "kind")
    assert not alive(tmp_path, "stubborn")


def test_one_process_that_ends_takes_the_others_down_and_is_named(tmp_path):
    shim = supervise(tmp_path, "0.5")
    told, _ = shim.communicate(timeout=20)
    assert shim.returncode == 7
    assert "stubborn ended with status 7; the others were stopped" in told
    assert not alive(tmp_path, "kind")

"""Limits from a robot's file: one file for the commands and for the safety node."""

import pytest

from hardware.limits import read_safety
from robot_rl.build.compose import compose
from robot_rl.errors import ConfigError, UnknownNameError


def test_the_safety_node_reads_what_the_commands_read():
    assert read_safety("sim_arm") == compose(["robot=sim_arm", "task=arm/reach"]).robot.safety


def test_a_robot_of_ones_own_is_found_by_name_and_by_path(tmp_path, monkeypatch):
    path = tmp_path / "configs/robot/my_arm.yaml"
    path.parent.mkdir(parents=True)
    axis = "{low: 0, high: 0.5, max_velocity: 0.1, max_acceleration: 1}"
    path.write_text(f"robot:\n  safety:\n    max_force_n: 20\n    axes: {{tcp_x: {axis}}}\n")
    monkeypatch.chdir(tmp_path)
    assert read_safety("my_arm") == read_safety(str(path))
    assert read_safety("my_arm").max_force_n == 20.0
    assert read_safety("my_arm").axes["tcp_x"].high == 0.5


def test_a_file_without_limits_says_what_is_wrong(tmp_path):
    path = tmp_path / "arm.yaml"
    with pytest.raises(ConfigError, match=r"arm\.yaml states no robot\.safety .*FileNotFound"):
        read_safety(str(path))
    for text in ("", "robot: {}", "[", "robot: 3"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"arm\.yaml states no robot\.safety"):
            read_safety(str(path))
    path.write_text("robot: {safety: {axes: {tcp_x: {low: 0.2}}}}")
    with pytest.raises(ConfigError, match=r"robot\.safety\.axes\.tcp_x lacks high, max_v"):
        read_safety(str(path))
    path.write_text("robot: {safety: {max_speed: 3}}")
    with pytest.raises(UnknownNameError, match=r"unknown setting 'robot\.safety\.max_speed'"):
        read_safety(str(path))
    with pytest.raises(UnknownNameError, match=r"unknown robot 'sim_am'.*sim_arm"):
        read_safety("sim_am")

"""colcon accepts the workspace."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def test_colcon_builds_the_workspace(tmp_path):
    shutil.copytree(
        "ros2_ws/src",
        tmp_path / "src",
        ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"),
    )
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
    done = subprocess.run(
        [binaries / "colcon", "build"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert "2 packages finished" in done.stdout, done.stdout + done.stderr
    install = tmp_path / "install"
    nodes = {path.name for path in (install / "robot_rl_nodes/lib/robot_rl_nodes").iterdir()}
    assert {"safety_node", "policy_node", "camera_node", "arm_node", "teleop_node"} <= nodes
    share = install / "robot_rl_bringup/share/robot_rl_bringup"
    assert (share / "launch/sim.launch.py").exists()
    assert (share / "config/foxglove_layout.json").exists()
    assert list(install.rglob("robot_rl_nodes/profiles/local.xml"))


def test_the_foxglove_layout_shows_recorded_topics_only():
    from robot_rl_nodes.recorder_node import TOPICS

    text = Path("ros2_ws/src/robot_rl_bringup/config/foxglove_layout.json").read_text()
    layout = json.loads(text)
    shown = set(re.findall(r'"(/[a-z_/]+)[."]', text))
    assert len(shown) >= 7
    assert shown <= {*TOPICS, "/camera/image_raw"}
    placed = set(re.findall(r'"(\w+!\w+)"', json.dumps(layout["layout"])))
    assert placed == set(layout["configById"])

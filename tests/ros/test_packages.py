"""colcon accepts the workspace."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def test_colcon_builds_the_workspace(tmp_path):
    shutil.copytree(
        "ros2_ws/src", tmp_path / "src",
        ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"),
    )  # fmt: skip
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
    done = subprocess.run(
        [binaries / "colcon", "build"], cwd=tmp_path, capture_output=True, text=True,
        env=environment, timeout=120,
    )  # fmt: skip
    assert "2 packages finished" in done.stdout, done.stdout + done.stderr
    install = tmp_path / "install"
    nodes = {path.name for path in (install / "robot_rl_nodes/lib/robot_rl_nodes").iterdir()}
    assert {"safety_node", "policy_node", "camera_node", "arm_node", "teleop_node"} <= nodes
    share = install / "robot_rl_bringup/share/robot_rl_bringup"
    assert (share / "launch/sim.launch.py").exists()
    assert (share / "config/fastdds_shm.xml").exists()

"""Real node processes: bad input in one line, a last hold on every signal, devices, the network."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchmarks.ros_graph import Graph, steady_policy
from benchmarks.ros_robot import robot
from robot_rl.envs.registry import TaskConfig
from robot_rl.errors import ConfigError
from robot_rl_nodes import graph
from robot_rl_nodes.sim_robot_node import played_task

ACTION = (0.01, 0.3, 0.0)


def run_node(name: str, *parameters: str) -> subprocess.CompletedProcess[str]:
    """A node that should refuse to start."""
    options = [part for parameter in parameters for part in ("-p", parameter)]
    environment = {**os.environ, "ROS_DOMAIN_ID": "99"}
    program = Path(sys.executable).with_name(name)
    return subprocess.run(
        [program, "--ros-args", *options],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Path:
    return steady_policy(tmp_path_factory.mktemp("policy"), ACTION, spread=0.05)


def refuse(done: subprocess.CompletedProcess[str], text: str) -> None:
    complaint = [line for line in done.stderr.splitlines() if line.startswith("robot-rl: ")]
    assert done.returncode == 1, done.stderr
    assert len(complaint) == 1, done.stderr
    assert text in complaint[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("node", "parameters", "text"),
    [
        ("camera_node", ["width:=5"], "width of camera_node must be a whole number in [16, 4096]"),
        (
            "camera_node",
            ["driver:=topics"],
            "unknown camera 'topics'. Choose one of: topic, opencv",
        ),
        ("camera_node", ["crop:=['1','2']"], "parameter crop"),
        ("arm_node", ["watchdog_s:=1.0"], "watchdog_s of arm_node must be a number in [0.1, 0.2]"),
        ("arm_node", ["driver:=no.such:Arm"], "the arm driver 'no.such:Arm' cannot be made"),
        ("safety_node", [], "parameter robot is empty; name the robot whose limits hold"),
        ("safety_node", ["robot:=sim_am"], "unknown robot 'sim_am'. Choose one of: sim_arm"),
        ("safety_node", ["robot:=/no/arm.yaml"], "/no/arm.yaml states no robot.safety"),
        ("safety_node", ["cameras:=3"], "cameras of safety_node must be a list of texts"),
        (
            "sim_robot_node",
            ["task:=arm/liift"],
            "unknown task 'arm/liift'. Choose one of: arm/lift",
        ),
        ("sim_robot_node", ["cameras:=[top]"], "unknown camera 'top'"),
        ("sim_robot_node", ["policy:=/nowhere"], "config.yaml is not a policy configuration"),
        ("policy_node", [], "parameter policy is empty"),
        ("policy_node", ["policy:=/nowhere"], "/nowhere/interface.json is not an interface file"),
        ("teleop_node", ["device:=keyboard"], "the keyboard needs a terminal"),
        ("recorder_node", ["root:=/proc/nothing"], "cannot record to /proc/nothing"),
    ],
)
def test_a_wrong_parameter_is_one_clear_line(node, parameters, text):
    refuse(run_node(node, *parameters), text)


def test_a_policy_that_does_not_fit_is_one_clear_line(policy, tmp_path):
    done = run_node("policy_node", f"policy:={policy}", "cameras:=[top=/camera]")
    refuse(done, "the policy needs the cameras front; parameter cameras names top")
    broken = shutil.copytree(policy, tmp_path / "broken")
    weights = broken / "policy.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    refuse(run_node("policy_node", f"policy:={broken}"), "policy.safetensors is damaged")


def test_a_policy_that_does_not_fit_the_robot_is_told_every_difference(policy, tmp_path):
    folder = shutil.copytree(policy, tmp_path / "other")
    interface = json.loads((folder / "interface.json").read_text())
    interface["actions"][0]["name"] = "joint/one"
    interface["control_rate_hz"] = 20.0
    interface["cameras"][0]["rate_hz"] = 20.0
    interface["proprio"][0]["name"] = "tcp_fancy"
    (folder / "interface.json").write_text(json.dumps(interface))
    with robot(policy=folder, size=32) as r:
        assert r.graph.processes["policy_node"].wait(60) == 1
        (told,) = [
            line
            for line in r.graph.log("policy_node").read_text().splitlines()
            if line.startswith("robot-rl: ")
        ]
    assert "does not fit this robot: control_rate_hz is 10 here and 20 there" in told
    assert "camera 'front' sends 32x32 (height x width) here and 64x64 there" in told
    assert "camera 'front' sends 10 frames a second here and 20 there" in told
    assert "cannot measure the proprio tcp_fancy" in told
    assert "acts on joint/one [m], tcp_y [m], tcp_z [m]; the arm offers tcp_x [m]" in told


def test_the_simulated_robot_plays_the_policys_task_unless_another_is_named(policy, tmp_path):
    turned = {"name": "arm/peg_insert", "options": {"random_yaw": True}, "arm": "panda"}
    learned = {"format": 2, "policy": {}, "training": {"task": turned}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(learned))
    assert played_task("", "{}", str(tmp_path)) == TaskConfig(**turned)
    assert played_task("arm/push", "{}", str(tmp_path)) == TaskConfig(name="arm/push")
    named = played_task("arm/peg_insert", '{"random_yaw": true}', "", "panda")
    assert named == TaskConfig(**turned)
    assert played_task("", "{}", "") == TaskConfig(name="arm/reach")
    with pytest.raises(ConfigError, match="task_options is no JSON object"):
        played_task("arm/push", "random_yaw", "")


def test_an_axis_without_limits_keeps_the_safety_node_from_starting(tmp_path):
    axis = {"low": 0.2, "high": 0.6, "max_velocity": 0.3, "max_acceleration": 6.0}
    limits = dict.fromkeys(("tcp_x", "tcp_y", "tcp_z", "gripper"), axis)
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump({"robot": {"safety": {"axes": limits}}}))
    with Graph() as nodes:
        turning = {"task": "arm/peg_insert", "task_options": '{"random_yaw": true}'}
        nodes.start("sim_robot_node", turning)
        nodes.start("safety_node", {"robot": str(path)})
        assert nodes.processes["safety_node"].wait(60) == 1
        told = nodes.log("safety_node").read_text()
    assert "robot-rl: the axes tcp_rz of the arm sim have no limits" in told


@pytest.mark.parametrize(
    ("node", "topic"),
    [
        ("policy_node", graph.POLICY_TWIST),
        ("safety_node", graph.ARM_TWIST),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_that_leaves_publishes_a_hold_first(node, topic, number):
    from geometry_msgs.msg import TwistStamped

    with robot() as r:
        seen = []
        r.probe.node.create_subscription(
            TwistStamped, topic, lambda m: seen.append(m.twist.linear.y), graph.STATE
        )
        r.move()
        r.probe.until(lambda: seen and seen[-1] > 0, 5.0, "commands")
        r.graph.signal(node, number)
        assert r.graph.processes[node].wait(10) == 0
        r.probe.until(lambda: seen[-1] == 0.0, 2.0, "a last hold")
        assert not r.moving()


def test_the_arms_own_node_holds_before_it_leaves():
    with robot() as r:
        r.move()
        r.graph.signal("sim_robot_node", signal.SIGTERM)
        assert r.graph.processes["sim_robot_node"].wait(10) == 0
        r.probe.until(lambda: r.probe.mode == "disabled: leaving", 2.0, "the last mode")


def test_a_joystick_drives_while_its_button_is_held():
    from sensor_msgs.msg import Joy

    with robot(policy=None) as r:
        r.graph.start("teleop_node", {"device": "joy", "silence_s": 0.2})
        r.recover()
        sticks = r.probe.node.create_publisher(Joy, "/joy", graph.COMMAND)
        r.probe.until(lambda: sticks.get_subscription_count() == 1, 30.0, "the node")

        def hold(button: int, until: Callable[[], bool]) -> None:
            """A busy machine may make a joystick fall silent, for which safety stops."""
            end_s = time.monotonic() + 30.0
            while not until() and time.monotonic() < end_s:
                buttons = [0, 0, 0, 0, button, 0]
                sticks.publish(Joy(axes=[0.05, 1.0, 0.0, 0.0, 0.0], buttons=buttons))
                time.sleep(0.05)
                if r.probe.stopped:
                    r.recover()

        later_s = time.monotonic() + 0.5
        hold(0, lambda: r.moving() or time.monotonic() > later_s)
        assert not r.moving()
        hold(1, r.moving)  # at once, and so well inside the workspace
        assert r.moving()
        assert r.probe.twists[-1][1].x == pytest.approx(0.15)
        assert r.probe.twists[-1][1].y == 0.0  # inside the dead zone
        r.graph.signal("teleop_node", signal.SIGTERM)
        assert r.graph.processes["teleop_node"].wait(10) == 0
        r.probe.until(lambda: not r.moving(), 2.0, "a last hold")


def test_nothing_listens_beyond_this_machine():
    import psutil

    with robot(teleop=True) as r:
        r.move()
        found = [
            (name, connection.laddr.ip)
            for name, process in r.graph.processes.items()
            for connection in psutil.Process(process.pid).net_connections("inet")
            if connection.status in ("LISTEN", "NONE") and connection.laddr
        ]
        assert len(found) > 10
        local = ("127.0.0.1", "239.255.0.1")  # the second: multicast, on the loopback alone
        assert [pair for pair in found if pair[1] not in local] == []

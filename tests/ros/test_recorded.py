"""What a human and a policy do through the graph, and what its recording says of it."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ros_graph import remembering_policy, steady_policy
from benchmarks.ros_robot import Hand, Robot, robot
from robot_rl.cli import main
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.runtime import PolicyRuntime, RuntimeConfig
from robot_rl.episodes.bag_reader import read_recording
from robot_rl.networks.policy import PolicyMemory
from robot_rl.replay.storage import Step
from robot_rl.types import Observation
from robot_rl_nodes import graph

ACTION = (0.01, 0.3, 0.0)
EQUAL = 1e-4


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Path:
    return steady_policy(tmp_path_factory.mktemp("policy"), ACTION, spread=0.05)


def _armed(r: Robot) -> bool:
    """Armed, or armed again: a busy machine may have stopped the policy or the arm meanwhile."""
    if r.probe.stopped or r.probe.mode.startswith("fault"):
        r.recover()
    return not r.probe.stopped


def test_a_human_takes_over_and_hands_back():
    from std_msgs.msg import Bool

    with robot(teleop=True) as r:
        active = []
        r.probe.node.create_subscription(
            Bool, graph.INTERVENTION, lambda m: active.append(m.data), graph.LATCHED
        )
        r.move()
        with Hand(r):
            r.probe.until(
                lambda: (
                    _armed(r)
                    and active
                    and active[-1]
                    and r.moving()
                    and abs(r.probe.twists[-1][1].x) < 1e-9
                ),
                30.0,
                "the human's motion",
            )
        r.probe.until(lambda: r.probe.stopped or not active[-1], 5.0, "the end of it")
        # The page went without letting go: that is a lost operator, not a hand-back.
        assert r.probe.stopped


def _record_in_motion(r: Robot) -> str:
    """An episode of a second; taken again where a busy machine stopped the arm meanwhile."""
    from std_srvs.srv import SetBool

    while True:
        r.move()
        r.probe.trigger(graph.EPISODE_START)
        time.sleep(1.2)
        r.probe.call(SetBool, graph.EPISODE_SUCCESS, SetBool.Request(data=True))
        stopped, path = r.probe.trigger(graph.EPISODE_STOP)
        assert stopped
        if r.moving() and not r.probe.stopped:
            return path


def _record_a_takeover(r: Robot) -> str:
    """An episode that begins with a reset of the policy's memory and has a takeover inside."""
    from std_msgs.msg import Bool
    from std_srvs.srv import SetBool

    human = []
    r.probe.node.create_subscription(
        Bool, graph.INTERVENTION, lambda m: human.append(m.data), graph.LATCHED
    )
    while True:
        r.move()
        skipped = _skipped(r)
        r.probe.trigger(graph.EPISODE_START)
        r.probe.trigger(graph.POLICY_RESET)
        time.sleep(0.5)
        with Hand(r) as hand:
            r.probe.until(lambda: _armed(r) and human and human[-1], 60.0, "the human")
            time.sleep(0.5)
            hand.let_go()
            r.probe.until(lambda: not human[-1], 30.0, "the hand-back")
            time.sleep(0.6)
            went_on = not r.probe.stopped
            r.probe.call(SetBool, graph.EPISODE_SUCCESS, SetBool.Request(data=True))
            _, path = r.probe.trigger(graph.EPISODE_STOP)
        if went_on and _skipped(r) == skipped:
            return path


def _skipped(r: Robot) -> int:
    """Observations that a busy machine let grow too old, as the next diagnostics count them."""
    r.probe.health.pop("policy", None)
    r.probe.until(lambda: "policy" in r.probe.health, 30.0, "diagnostics of the policy")
    return r.probe.told("policy", "refused_observations") + r.probe.told(
        "policy", "deadline_misses"
    )


def _largest_gap(policy: Path, steps: list[tuple[Observation, Step]], told: bool) -> float:
    """Between the policy's wishes and those it would have here, told what happened or not."""
    memory, gap = PolicyMemory(PolicyFolder(policy).load(), 1), 0.0
    for obs, step in steps:
        wanted = memory.act([obs])[0]
        if step.source == "policy":
            gap = max(gap, float(np.abs(wanted - step.policy_action).max()))
        if told:
            memory.applied(0, step.action, step.source == "policy")
    return gap


def test_a_recurrent_policy_is_told_of_a_takeover_through_the_graph(tmp_path):
    """A cloned GRU in ONNX Runtime, on the robot: what it saw and was told gives torch the same."""
    folder = remembering_policy(tmp_path, ACTION)
    with robot(policy=folder, teleop=True, engine="onnx") as r:
        steps = _undisturbed(r, folder, tmp_path)
    assert {"policy", "human"} <= {step.source for _, step in steps}
    assert _largest_gap(folder, steps, told=True) < EQUAL
    assert _largest_gap(folder, steps, told=False) > 10 * EQUAL


def _undisturbed(r: Robot, folder: Path, root: Path) -> list[tuple[Observation, Step]]:
    """A takeover in which a busy machine told nobody anything late, if there is one of five."""
    steps: list[tuple[Observation, Step]] = []
    for attempt in range(5):
        bag = shutil.copytree(_record_a_takeover(r), root / f"bag{attempt}")
        (recording,) = read_recording(bag, PolicyFolder(folder).interface(), {"front": "/camera"})
        every = list(zip(recording.obs, recording.steps, strict=False))
        # Its memory began at one of the first observations: the one exposed after the reset.
        tails = [every[k:] for k in range(8)]
        steps = min(tails, key=lambda tail: _largest_gap(folder, tail, told=True))
        if _largest_gap(folder, steps, told=True) < EQUAL:
            break
    return steps


def test_what_is_recorded_comes_back_with_the_same_actions(policy, tmp_path, capsys):
    """Through ROS and directly, the same observations give the same actions."""
    with robot(policy=policy) as r:
        bag = shutil.copytree(_record_in_motion(r), tmp_path / "bag")
    interface = PolicyFolder(policy).interface()
    (recording,) = read_recording(bag, interface, {"front": "/camera"})
    assert len(recording.steps) >= 6  # how many more, a busy machine decides
    assert {step.source for step in recording.steps} == {"policy"}
    assert (recording.success, recording.steps[-1].terminated) == (True, True)
    assert [step.reward for step in recording.steps[-2:]] == [0.0, 1.0]
    stamps_s = [step.stamp_s for step in recording.steps]
    assert np.diff(stamps_s) == pytest.approx(0.1, abs=0.04)
    runtime = PolicyRuntime(policy, RuntimeConfig(deadline_s=1.0))
    for obs, step in zip(recording.obs, recording.steps[:-1], strict=False):
        np.testing.assert_allclose(step.action, runtime.act(obs).action, atol=1e-5)
    spread = np.ptp([step.action for step in recording.steps[:-1]], axis=0)
    assert spread.max() > 1e-3  # it does look at what it sees
    tcp_y = [obs["proprio"][1] for obs in recording.obs]
    assert np.all(np.diff(tcp_y) > 0)

    out = tmp_path / "episodes"
    assert main(["episodes", "import", str(bag), "--policy", str(policy), "--out", str(out)]) == 0
    assert "by policy), success" in capsys.readouterr().out
    assert main(["episodes", "evaluate", str(out), "--policy", str(policy)]) == 0
    numbers = capsys.readouterr().out.splitlines()[1].split()
    assert numbers[0] == "policy"
    assert max(map(float, numbers[2:])) < 0.05
    # What is missing or unfinished is one clear line.
    assert main(["episodes", "import", str(bag), "--policy", str(policy), "--out", str(out)]) == 1
    assert "is not empty" in capsys.readouterr().err
    wanted = ["--policy", str(policy), "--out", str(tmp_path / "new")]
    assert main(["episodes", "import", str(bag), *wanted, "--camera", "front=/top"]) == 1
    assert "no messages on /top/image_raw/compressed" in capsys.readouterr().err
    (bag / "metadata.yaml").unlink()
    assert main(["episodes", "import", str(bag), *wanted]) == 1
    assert "is not a finished bag" in capsys.readouterr().err

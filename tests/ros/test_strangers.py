"""Whoever else talks on the arm's own topic moves nothing: not once, and not a little."""

import signal
import time

import pytest

from benchmarks.ros_graph import START_S, Graph, Probe
from benchmarks.ros_robot import Publisher, Robot, robot
from robot_rl_nodes import graph

STILL_M = 2e-4  # what the simulated arm does at rest
BURSTS = 10
UP = (0.0, 0.0, 0.3)
LISTENERS = 3  # arm, recorder and probe


def burst(rogue: Publisher) -> None:
    """Five commands within 50 ms."""
    for _ in range(5):
        rogue.send(UP)
        time.sleep(0.01)


def refusals(r: Robot, rogue: Publisher) -> int:
    """How many commands of strangers the arm has refused by now."""
    told = r.probe.told("arm", "commands_of_strangers")

    def more() -> bool:
        rogue.send(UP)
        return r.probe.told("arm", "commands_of_strangers") > told

    r.probe.until(more, 20.0, "a refusal")
    return r.probe.told("arm", "commands_of_strangers")


def rise_m(r: Robot, since: int) -> float:
    heights = [z for _, _, z in r.probe.positions[since:]]
    return max(heights) - min(heights)


def test_a_burst_before_safety_is_there_moves_nothing():
    with Graph() as nodes:
        nodes.start("sim_robot_node")
        probe = Probe()
        try:
            r = Robot(nodes, probe)
            rogue = Publisher(r, graph.ARM_TWIST)
            probe.until(lambda: len(probe.positions) > 20, START_S, "poses")
            since = len(probe.positions)
            for _ in range(BURSTS):
                burst(rogue)
            nodes.start("safety_node", {"robot": "sim_arm"})
            probe.until(lambda: "two publishers" in probe.mode, START_S, "two publishers")
            for _ in range(BURSTS):
                burst(rogue)
            assert refusals(r, rogue) > BURSTS
            assert rise_m(r, since) < STILL_M
        finally:
            probe.close()


@pytest.mark.parametrize("latched", [True, False])
def test_a_burst_moves_no_arm_that_stands(latched):
    with robot(policy=None) as r:
        r.recover()
        since = len(r.probe.positions)
        for _ in range(BURSTS):
            r.recover()
            if latched:
                r.probe.trigger(graph.SAFETY_TRIGGER)
            rogue = Publisher(r, graph.ARM_TWIST)
            r.probe.until(lambda p=rogue: p.heard_by(LISTENERS), 20.0, "the arm to listen")
            burst(rogue)
            rogue.close()
            r.stays(0.1)
        rogue = Publisher(r, graph.ARM_TWIST)
        assert refusals(r, rogue) > 0
        assert rise_m(r, since) < STILL_M


def test_a_burst_bends_no_motion():
    """The policy moves along y; a stranger's z, 3 cm a command, must not be seen in it."""
    with robot() as r:
        for _ in range(3):
            r.move()
            since = len(r.probe.positions)
            rogue = Publisher(r, graph.ARM_TWIST)
            for _ in range(3):
                burst(rogue)
            r.probe.until(lambda: not r.moving(), 10.0, "a fault")
            r.stays(0.3)
            rogue.close()
            assert "two publishers" in r.probe.mode
            assert rise_m(r, since) < 2e-3


def test_safety_is_obeyed_again_after_a_restart():
    with robot() as r:
        for number in (signal.SIGKILL, signal.SIGTERM):
            r.move()
            r.graph.signal("safety_node", number)
            r.graph.processes["safety_node"].wait(20)
            r.probe.until(lambda: not r.moving(), 10.0, "a hold")
            r.graph.restart("safety_node")
            r.move()


def test_a_node_that_calls_itself_safety_is_a_second_one():
    with robot(policy=None) as r:
        r.recover()
        since = len(r.probe.positions)
        r.graph.start("other", {"robot": "sim_arm", "cameras": ["/none"]}, executable="safety_node")
        r.probe.until(lambda: "two publishers" in r.probe.mode, START_S, "two publishers")
        assert rise_m(r, since) < STILL_M

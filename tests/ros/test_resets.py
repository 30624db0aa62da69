"""A reset is no more than that: refused while its cause lasts, and never the start of a motion."""

import asyncio
import time

import pytest

from benchmarks.ros_graph import START_S
from benchmarks.ros_robot import Hand, Robot, robot
from robot_rl_nodes import graph

STILL_M = 2e-4  # what the simulated arm does at rest


def rest(r: Robot) -> None:
    r.probe.until(lambda: not r.moving(), 10.0, "a hold")
    r.probe.until(lambda: r.stays(0.2) < STILL_M, 10.0, "rest")


def arm(r: Robot) -> None:
    """Safety and the arm, until both say yes."""
    for service in (graph.ARM_RECOVER, graph.SAFETY_RESET):
        r.probe.until(lambda s=service: r.probe.trigger(s)[0], START_S, f"{service} to say yes")


def begin_an_episode(r: Robot) -> None:
    assert r.probe.trigger(graph.POLICY_RESET)[0]


def press_arm(r: Robot) -> None:
    """The page's button, which resets once more and then lets the policy go."""
    hand, goes = Hand(r), "armed; a new episode"
    r.probe.until(lambda: asyncio.run(hand.press("arm")) == goes, START_S, "the page to say so")


@pytest.mark.parametrize("fault", ["freeze_camera", "blank_camera", "stop_camera"])
def test_a_reset_is_refused_while_the_camera_is_at_fault_and_nothing_moves(fault):
    cause = {"freeze": "camera frozen", "blank_": "camera blank", "stop_c": "stale observation"}
    with robot() as r:
        r.move()
        r.fault(fault)
        r.probe.until(lambda: r.probe.stopped, 10.0, "a stop")
        rest(r)
        at = r.probe.positions[-1]
        for _ in range(20):
            armed, told = r.probe.trigger(graph.SAFETY_RESET)
            assert not armed
            assert f"{cause[fault[:6]]} (/camera): " in told
            begin_an_episode(r)
        assert r.stays(0.5) < STILL_M
        assert r.probe.positions[-1] == pytest.approx(at, abs=STILL_M)
        r.fault("none")
        arm(r)
        assert not r.probe.stopped or r.stays(0.2) < STILL_M


@pytest.mark.parametrize("let_go", [begin_an_episode, Robot.activate_again, press_arm])
def test_a_streaming_policy_moves_nothing_after_a_reset_until_someone_says_so(let_go):
    with robot(teleop=let_go is press_arm) as r:
        r.move()
        for _ in range(5):
            r.probe.trigger(graph.SAFETY_TRIGGER)
            rest(r)
            arm(r)
            changes = len(r.probe.modes)
            assert r.stays(1.0) < STILL_M
            assert not any(mode.startswith("moving") for _, mode in r.probe.modes[changes:])
        asked = r.probe.health["safety"].message
        assert "the policy waits for /policy/reset or an activation" in asked
        end_s = time.monotonic() + START_S
        while not r.moving() and time.monotonic() < end_s:
            arm(r)  # a busy machine may have stopped the policy at its start
            let_go(r)
            time.sleep(0.5)
        assert r.moving()


def test_a_policy_that_starts_by_itself_is_not_a_word_of_anyone():
    with robot() as r:
        r.move()
        r.probe.until(lambda: starts_and_waits(r), 3 * START_S, "its commands to wait for a word")
        assert r.stays(1.0) < STILL_M


def starts_and_waits(r: Robot) -> bool:
    """False where a busy machine stopped the policy at its start: a reset would make it wait."""
    r.graph.kill("policy_node")
    r.probe.until(lambda: not waits(r), START_S, "silence")
    rest(r)
    arm(r)
    r.graph.restart("policy_node")
    r.probe.until(lambda: waits(r) or r.probe.stopped, START_S, "its commands")
    return waits(r)


def waits(r: Robot) -> bool:
    return "policy waits" in r.probe.health["safety"].message

"""A real arm on the graph: nothing resets itself, and a person at the page says when and how."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from std_msgs.msg import Header

from benchmarks.ros_graph import START_S, Graph, Probe
from hardware.limits import read_safety
from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.envs.robot import DriverConfig, RobotConfig
from robot_rl.errors import ConfigError, HardwareError
from robot_rl.interventions.device import Moment
from robot_rl_nodes import graph
from robot_rl_nodes.operator_ear import OperatorEar

TASK = TaskConfig(name="arm/reach", reward="sparse", cameras={"front": CameraSpec()})
HOME = {"tcp_x": 0.40, "tcp_y": 0.12, "tcp_z": 0.2}
ROBOT = RobotConfig(
    arm=DriverConfig(driver="graph", settings={"cameras": {"front": "/camera"}}),
    safety=read_safety("sim_arm"),
    home=HOME,
    reset="person",
)
MOMENT = Moment(obs={}, policy_action=np.zeros(3, np.float32))


@pytest.fixture(scope="module")
def probe():
    with Graph() as made:
        made.start("sim_robot_node", {"task": "arm/reach", "image_size": 64})
        camera = {"driver": "topic", "source": "/sim/front/image_raw", "rate_hz": 10.0}
        made.start("camera_node", {**camera, "width": 64, "height": 64}, namespace="/camera")
        made.start("safety_node", {"robot": "sim_arm", "cameras": ["/camera"]})
        opened = Probe()
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def env(probe):
    made = open_env(TASK, RenderConfig(), ROBOT)
    yield made
    made.close()


def say_so(probe):
    """The page's button Arm, but for the arm: whoever waits for the word recovers that."""
    probe.until(lambda: probe.trigger(graph.SAFETY_RESET)[0], START_S, "safety to be armed")
    assert probe.trigger(graph.POLICY_RESET) == (True, "a new episode")


def says_once_more(probe):
    """Also in the middle of the way home, which goes on."""
    say_so(probe)
    time.sleep(0.5)


def is_home(probe):
    """A busy machine may stop it on its way: then the page asks for another word."""
    time.sleep(0.05)  # what runs in this process needs it, too
    near = probe.positions[-1] == pytest.approx([*HOME.values()], abs=0.012)
    if not near and probe.health["policy"].message:
        say_so(probe)
    return near


def begin(env, probe):
    """A word before it goes home, and one before the episode."""
    with ThreadPoolExecutor() as beside:
        begun = beside.submit(env.reset)
        time.sleep(0.5)
        stood = probe.positions[-1]
        time.sleep(0.5)
        assert probe.positions[-1] == pytest.approx(stood, abs=1e-3), "nobody said so"
        say_so(probe)
        probe.until(lambda: is_home(probe) or begun.done(), START_S, "home")
        time.sleep(0.5)
        assert not begun.done(), "nobody said that the scene is set up"
        say_so(probe)
        return begun.result(START_S)[0]


def test_it_goes_home_and_begins_when_a_person_says_so(env, probe):
    obs = begin(env, probe)
    np.testing.assert_allclose(obs["proprio"][:3], [*HOME.values()], atol=0.015)
    _, reward, terminated, _, info = env.step(np.array((0.0, -0.4, 0.0), np.float32))
    assert (reward, terminated, info["success"]) == (0.0, False, None), "nobody judged yet"


def test_after_a_stop_a_word_alone_begins_nothing(env, probe):
    probe.trigger(graph.SAFETY_TRIGGER)
    probe.until(lambda: env.step(np.array((0.2, 0.0, 0.0), np.float32))[3], 10.0, "the end")
    with ThreadPoolExecutor() as beside:
        begun = beside.submit(env.reset)
        time.sleep(0.5)
        assert probe.trigger(graph.POLICY_RESET)[0]
        time.sleep(0.5)
        assert not begun.done()
        assert probe.stopped
        probe.until(lambda: says_once_more(probe) or begun.done(), START_S, "the episode")
        begun.result(START_S)


def test_an_operator_who_ends_the_session_while_he_is_asked_moves_nothing(env, probe):
    tongue = probe.node.create_publisher(Header, graph.TELEOP_SAID, graph.STATE)
    with ThreadPoolExecutor() as beside:
        begun = beside.submit(env.reset)
        end_s = time.monotonic() + START_S
        while not begun.done() and time.monotonic() < end_s:
            tongue.publish(Header(frame_id="stop"))
            time.sleep(0.2)
        begun.result(0.0)
    at = probe.positions[-1]
    *_, info = env.step(np.array((1.0, 0.0, 0.0), np.float32))
    assert probe.positions[-1] == pytest.approx(at, abs=1e-3)
    assert info["source"] == "nobody"


def test_what_the_operator_says_is_heard_once_and_nothing_else(probe):
    ear = OperatorEar()
    ear.start()
    try:
        tongue = probe.node.create_publisher(Header, graph.TELEOP_SAID, graph.STATE)
        heard = set()

        def says_until_heard():
            for word in ("nonsense", "failure"):
                tongue.publish(Header(frame_id=word))
            time.sleep(0.2)
            heard.update(ear.read(MOMENT).events)
            return heard

        probe.until(says_until_heard, START_S, "the word")
        assert heard == {"failure"}
        time.sleep(0.5)
        ear.read(MOMENT)
        assert not ear.read(MOMENT).events
    finally:
        ear.close()


def test_a_home_that_is_none_and_a_person_whom_nobody_hears():
    wrong = RobotConfig(arm=ROBOT.arm, safety=ROBOT.safety, home={"tcp_w": 0.1})
    with pytest.raises((ConfigError, HardwareError), match="names tcp_w"):
        open_env(TASK, RenderConfig(), wrong)
    alone = RobotConfig(arm=DriverConfig(driver="sim"), reset="person")
    with pytest.raises(ConfigError, match=r"robot\.arm\.driver=graph"):
        open_env(TASK, RenderConfig(), alone)

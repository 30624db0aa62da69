"""A moving simulated robot made of real processes, and what can be done to it."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ros_graph import START_S, Graph, Probe, steady_policy

_DEAF_S = 15.0
_DRIFT = (0.01, 0.3, 0.0)  # 9 cm/s across the table: two seconds and more until the edge


@dataclass
class Robot:
    """A moving robot: nodes, the probe, and what brings it back."""

    graph: Graph
    probe: Probe
    recorded: Path | None = None
    _answer: str = field(default="", init=False)

    def record_one(self) -> None:
        """A short episode that must survive whatever comes later."""
        from robot_rl_nodes import graph

        self.probe.trigger(graph.EPISODE_START)
        time.sleep(0.3)
        stopped, path = self.probe.trigger(graph.EPISODE_STOP)
        self.recorded = Path(path) if stopped else None

    def recording_kept(self) -> bool:
        """Whether that episode can be read to its end."""
        from rosbags.rosbag2 import Reader

        if self.recorded is None:
            return False
        with Reader(self.recorded) as reader:
            return sum(1 for _ in reader.messages()) == reader.message_count > 0

    def move(self) -> None:
        """Back to the start state, armed, and in steady motion, with one episode recorded."""
        from robot_rl_nodes import graph

        self.probe.set_parameter("sim_robot_node", "seed", 3)
        end_s = time.monotonic() + START_S
        while not self._steady() or self.recorded is None:
            if time.monotonic() > end_s:
                raise TimeoutError(f"the arm does not move: {self.probe.mode}")
            if self.moving() and self.recorded is None:
                self.record_one()
                continue
            self.probe.trigger(graph.SIM_RESET)
            self.recover()
            time.sleep(0.3)

    def _steady(self) -> bool:
        """In motion, and still so a moment later: a busy machine may stop a policy at its start."""
        if not self.moving():
            return False
        changes = len(self.probe.modes)
        time.sleep(0.3)
        return self.moving() and len(self.probe.modes) == changes

    def recover(self) -> None:
        """What an operator does after a fault: explicit, both for the arm and for safety.

        Raises `TimeoutError` with what was answered last.
        """
        from robot_rl_nodes import graph

        end_s, deaf_s = time.monotonic() + START_S, time.monotonic() + _DEAF_S
        while not (self._answered(graph.ARM_RECOVER) and self._armed()):
            if time.monotonic() > end_s:
                raise TimeoutError(f"no recovery: {self._answer}")
            if "stale observation" in self._answer and time.monotonic() > deaf_s:
                self._start_safety_again()
                deaf_s = end_s
            time.sleep(0.1)
        self.let_policy_go()

    def _start_safety_again(self) -> None:
        """It never discovered a camera that all others hear (docs/ros2.md, "Known")."""
        print(f"safety_node is deaf: started again ({self.graph.root})", flush=True)
        self.graph.kill("safety_node")
        self.graph.restart("safety_node")

    def _armed(self) -> bool:
        """Nobody resets what is armed: it is refused while a hand holds the dead-man."""
        from robot_rl_nodes import graph

        return not self.probe.stopped or self._answered(graph.SAFETY_RESET)

    def let_policy_go(self) -> None:
        """The explicit word that a policy waits for after a reset."""
        from robot_rl_nodes import graph

        if "policy_node" in self.graph.processes:
            self._answered(graph.POLICY_RESET)
        else:
            self.probe.activate()

    def activate_again(self) -> None:
        """The policy's lifecycle, down and up."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        for number in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
            request = ChangeState.Request(transition=Transition(id=number))
            self.probe.call(ChangeState, "/policy_node/change_state", request)

    def _answered(self, service: str) -> bool:
        """Whether it said yes. A killed server is in the graph for seconds, and never answers."""
        try:
            done, self._answer = self.probe.trigger(service, within_s=5.0)
        except TimeoutError as error:
            done, self._answer = False, str(error)
        return done

    def stays(self, seconds: float) -> float:
        """How far the tool moves, in m, over the next `seconds`."""
        seen = len(self.probe.positions)
        time.sleep(seconds)
        self.probe.until(lambda: len(self.probe.positions) > seen + 1, 10.0, "poses")
        at = self.probe.positions[seen:]
        return max(max(axis) - min(axis) for axis in zip(*at, strict=True))

    def moving(self) -> bool:
        return self.probe.mode.startswith("moving")

    def fault(self, name: str) -> None:
        from robot_rl_nodes import graph

        self.probe.set_parameter("sim_robot_node", "fault", name)
        self.probe.trigger(graph.SIM_FAULT)

    def stop_after(self, fault_s: float, timeout_s: float = 5.0) -> tuple[float, str]:
        """(ms from `fault_s` to the order, mode and reason)."""
        self.probe.until(lambda: self._order(fault_s) is not None, timeout_s, "a hold")
        order = self._order(fault_s)
        assert order is not None
        return 1e3 * (order[0] - fault_s), order[1]

    def _order(self, fault_s: float) -> tuple[float, str] | None:
        after = [m for m in self.probe.modes if m[0] >= fault_s and not m[1].startswith("moving")]
        return after[0] if after else None


@contextmanager
def robot(
    policy: Path | bool | None = True,
    teleop: bool = False,
    size: int = 64,
    recorder: Callable[[], None] | None = None,
    environment: dict[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    limits: str = "sim_arm",
    engine: str = "torch",
) -> Iterator[Robot]:
    """A simulated robot with camera and safety; `prefix` runs all but the robot elsewhere.

    `limits` are the name of a robot, or a file of one.
    """
    with Graph(environment) as graph:
        graph.start("sim_robot_node", {"noise_std": 1.0, "image_size": size})
        camera = {"driver": "topic", "source": "/sim/front/image_raw", "rate_hz": 10.0}
        camera |= {"width": size, "height": size}
        graph.start("camera_node", camera, prefix=prefix)
        graph.start("safety_node", {"robot": limits}, prefix=prefix)
        if policy:
            folder = policy if isinstance(policy, Path) else steady_policy(graph.root, _DRIFT)
            settings = {"policy": str(folder), "engine": engine}
            graph.start("policy_node", settings, prefix=prefix)
        if teleop:
            graph.start("teleop_node", {"device": "web", "port": 0, "token": "secret"})
        root = str(graph.root / "recordings")
        graph.start("recorder_node", {"root": root}, before=recorder)
        probe = Probe()
        try:
            yield Robot(graph, probe)
        finally:
            probe.close()


class Publisher:
    """Twists at 10 Hz from the probe, as a policy or a rogue would send them."""

    def __init__(self, r: Robot, topic: str) -> None:
        from geometry_msgs.msg import TwistStamped

        from robot_rl_nodes import graph

        self._probe = r.probe
        self._out = r.probe.node.create_publisher(TwistStamped, topic, graph.COMMAND)
        self.velocity = (0.0, 0.0, 0.0)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._stream, daemon=True)

    def heard_by(self, nodes: int) -> bool:
        """Whether as many subscriptions are there to hear it."""
        return self._out.get_subscription_count() >= nodes

    def close(self) -> None:
        self._probe.destroy(self._probe.node.destroy_publisher, self._out)

    def send(self, velocity: tuple[float, float, float]) -> float:
        with self._lock:
            stamp_s = time.time()
            self.publish_at(stamp_s, velocity)
        return stamp_s

    def publish_at(self, stamp_s: float, velocity: tuple[float, float, float]) -> None:
        from robot_rl_nodes.messages import to_twist

        self._out.publish(to_twist(velocity, (0.0,) * 3, stamp_s, "base_link"))

    def __enter__(self) -> "Publisher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self.close()

    def _stream(self) -> None:
        while not self._closing.wait(0.1):
            self.send(self.velocity)


class Hand:
    """An operator on the web page who holds the dead-man and pushes y."""

    def __init__(self, r: Robot) -> None:
        self._graph = r.graph
        self._lost = threading.Event()
        self._released = threading.Event()
        self._closing = threading.Event()
        self._last_s = 0.0
        self._thread = threading.Thread(target=self._drive, daemon=True)

    def let_go(self) -> None:
        """Hand back: the page goes on saying that nobody holds."""
        self._released.set()

    def lose(self) -> float:
        """Stop sending with the socket open, as a cable does. When the last message left."""
        self._lost.set()
        time.sleep(0.05)
        return self._last_s

    async def press(self, action: str) -> str:
        """Press a button of the page; its answer."""
        import aiohttp

        url = self._address()
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/ws?token=secret", headers={"Origin": url}) as socket,
        ):
            await socket.send_json({"action": action})
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT and "answer" in message.json():
                    return message.json()["answer"]
        return "no answer"

    def __enter__(self) -> "Hand":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    def _drive(self) -> None:
        import asyncio

        from robot_rl.deploy import urgency

        # A browser is on another machine, whatever this one is busy with.
        with contextlib.suppress(PermissionError):
            urgency.promote(threading.get_native_id(), urgency.BODY)
        asyncio.run(self._talk())

    async def _talk(self) -> None:
        import asyncio

        import aiohttp

        url = self._address()
        async with aiohttp.ClientSession() as session:
            socket = await session.ws_connect(f"{url}/ws?token=secret", headers={"Origin": url})
            while not self._closing.is_set() and not socket.closed:
                if not self._lost.is_set():
                    self._last_s = time.time()
                    held = _armed(self._graph) and not self._released.is_set()
                    await socket.send_json({"held": held, "axes": {"tcp_y": 0.6}})
                await asyncio.sleep(0.033)

    def _address(self) -> str:
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s:
            text = self._graph.log("teleop_node").read_text()
            if "http://" in text:
                return "http://" + text.split("http://")[1].split("/")[0]
            time.sleep(0.1)
        raise TimeoutError("the teleop node printed no address")


def _armed(graph: Graph) -> bool:
    """The hand presses once safety is armed: a reset is refused while the dead-man is held."""
    log = graph.log("safety_node").read_text()
    return log.rfind("]: armed") > log.rfind("]: stopped")


@contextmanager
def second_host() -> Iterator[tuple[str, str]]:
    """(name of a network namespace, link on our side), joined by a virtual cable."""
    name, link = f"rrl{os.getpid()}", f"rrl{os.getpid() % 10000}"
    for command in (
        f"ip netns add {name}",
        f"ip link add {link} type veth peer name eth0 netns {name}",
        f"ip addr add 10.77.0.1/24 dev {link}",
        f"ip link set {link} up",
        f"ip netns exec {name} ip addr add 10.77.0.2/24 dev eth0",
        f"ip netns exec {name} ip link set eth0 up",
        f"ip netns exec {name} ip link set lo up",
    ):
        subprocess.run(command.split(), check=True)
    try:
        yield name, link
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)

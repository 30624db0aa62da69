"""Every way a running robot can fail, with real processes: how soon is the arm told to hold?

`python -m benchmarks.faults --csv FILE` runs all scenarios, each in a process of its own;
`python -m benchmarks.faults NAME` one of them.
"""

import argparse
import csv
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.ros_graph import START_S, Graph, Probe, steady_policy
from robot_rl_nodes.transport import profile

BAR_MS = 200.0
_DRIFT = (0.01, 0.3, 0.0)  # 9 cm/s across the table: two seconds and more until the edge
_QUIET_S = 1.0
_SCENARIO_LIMIT_S = 150.0


@dataclass(frozen=True)
class Finding:
    """One row of the table. `stop_ms` runs from the fault to the order to hold."""

    fault: str
    stop_ms: float
    told_by: str
    moved_by_itself_after: bool
    recovered: bool
    recording_kept: bool


@dataclass
class Robot:
    """A moving robot: nodes, the probe, and what brings it back."""

    graph: Graph
    probe: Probe
    recorded: Path | None = None

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
        while not self._steady():
            if time.monotonic() > end_s:
                raise TimeoutError(f"the arm does not move: {self.probe.mode}")
            self.probe.trigger(graph.SIM_RESET)
            self.recover()
            time.sleep(0.3)
        if self.recorded is None:
            self.record_one()

    def _steady(self) -> bool:
        """In motion, and still so a moment later: a busy machine may stop a policy at its start."""
        if not self.moving():
            return False
        changes = len(self.probe.modes)
        time.sleep(0.3)
        return self.moving() and len(self.probe.modes) == changes

    def recover(self) -> None:
        """What an operator does after a fault: explicit, both for the arm and for safety."""
        from robot_rl_nodes import graph

        self.probe.trigger(graph.ARM_RECOVER)
        end_s = time.monotonic() + 20.0
        while not self.probe.trigger(graph.SAFETY_RESET)[0] and time.monotonic() < end_s:
            time.sleep(0.1)

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
    policy: Path | bool | None = True, teleop: bool = False, size: int = 64,
    recorder: Callable[[], None] | None = None, environment: dict[str, str] | None = None,
    prefix: tuple[str, ...] = (), safety: dict[str, Any] | None = None,
) -> Iterator[Robot]:  # fmt: skip
    """A simulated robot with camera and safety; `prefix` runs all but the robot elsewhere."""
    with Graph(environment) as graph:
        graph.start("sim_robot_node", {"noise_std": 1.0, "image_size": size})
        camera = {"driver": "topic", "source": "/sim/front/image_raw", "rate_hz": 10.0}
        camera |= {"width": size, "height": size}
        graph.start("camera_node", camera, prefix=prefix)
        graph.start("safety_node", safety, prefix=prefix)
        if policy:
            folder = policy if isinstance(policy, Path) else steady_policy(graph.root, _DRIFT)
            graph.start("policy_node", {"policy": str(folder)}, prefix=prefix)
        if teleop:
            graph.start("teleop_node", {"device": "web", "port": 0, "token": "secret"})
        root = str(graph.root / "recordings")
        graph.start("recorder_node", {"root": root}, before=recorder)
        probe = Probe()
        try:
            yield Robot(graph, probe)
        finally:
            probe.close()


# ------------------------------------------------------------------ scenarios


def policy_killed() -> Finding:
    with robot() as r:
        return _process_fault(r, "policy_node", signal.SIGKILL, "policy killed with -9")


def policy_hung() -> Finding:
    with robot() as r:
        return _process_fault(r, "policy_node", signal.SIGSTOP, "policy hung")


def camera_killed() -> Finding:
    with robot() as r:
        return _process_fault(r, "camera_node", signal.SIGKILL, "camera killed with -9")


def safety_killed() -> Finding:
    with robot() as r:
        return _process_fault(r, "safety_node", signal.SIGKILL, "safety_node killed with -9")


def camera_frozen() -> Finding:
    return _sim_fault("freeze_camera", "camera frozen on one frame")


def camera_blank() -> Finding:
    return _sim_fault("blank_camera", "image blank")


def clock_jumped() -> Finding:
    return _sim_fault("jump_clock", "clock of the camera jumped by 3 s")


def arm_stalled() -> Finding:
    return _sim_fault("stall_executor", "executor of the arm's node stalled for 1 s")


def nan_action() -> Finding:
    with robot(policy=False) as r, _Publisher(r, "/policy/delta_twist_cmds") as publisher:
        publisher.velocity = (0.0, 0.09, 0.0)
        r.move()
        publisher.velocity = (float("nan"), 0.0, 0.0)
        fault_s = publisher.send(publisher.velocity)
        r.stop_after(fault_s)
        publisher.velocity = (0.0, 0.09, 0.0)
        return _finding(r, "NaN action", fault_s)


def out_of_workspace() -> Finding:
    """Clipped rather than stopped: the arm comes to rest at the edge of its box."""
    edge_m = 0.15
    with (
        robot(policy=False, safety={"position_high": [0.6, edge_m, 0.4, 0.05]}) as r,
        _Publisher(r, "/policy/delta_twist_cmds") as publisher,
    ):
        publisher.velocity = (0.0, 0.01, 0.0)
        r.move()
        publisher.velocity = (0.0, 10.0, 0.0)
        fault_s = publisher.send(publisher.velocity)
        r.probe.until(lambda: not r.moving(), 10.0, "the edge of the box")
        time.sleep(0.5)
        furthest_m = max(y for _, y, _ in r.probe.positions)
        limited = [at_s for at_s, v in r.probe.twists if at_s > fault_s and abs(v.y) <= 0.3]
        stop_ms = 1e3 * (limited[0] - fault_s)
        publisher.velocity = (0.0, -0.1, 0.0)
        r.probe.until(r.moving, 5.0, "motion back inside")
        told = f"clipped: 10 m/s asked, tcp rests at y = {furthest_m:.3f} m of {edge_m} m"
        kept = r.recording_kept()
        return Finding("action out of the workspace", stop_ms, told, False, True, kept)


def two_publishers() -> Finding:
    with robot() as r:
        r.move()
        fault_s = time.time()
        with _Publisher(r, "/servo_node/delta_twist_cmds") as rogue:
            rogue.velocity = (0.0, 0.09, 0.0)
            stop_ms, told_by = r.stop_after(fault_s)
        return _after(r, "two publishers on the arm's topic", stop_ms, told_by)


def teleop_killed() -> Finding:
    with robot(policy=False, teleop=True) as r, _Hand(r):
        r.move()
        fault_s = time.time()
        r.graph.kill("teleop_node")
        return _finding(r, "teleop killed with the dead-man held", fault_s)


def web_lost() -> Finding:
    with robot(policy=False, teleop=True) as r, _Hand(r) as hand:
        r.move()
        fault_s = hand.lose()
        return _finding(r, "web page's connection lost", fault_s)


def disk_full() -> Finding:
    limit = 400_000

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with robot(recorder=small_disk) as r:
        from robot_rl_nodes import graph

        r.move()
        r.probe.trigger(graph.EPISODE_START)
        r.probe.until(lambda: r.probe.recorder_failed_s is not None, 30.0, "a full disk")
        assert r.probe.recorder_failed_s is not None
        stop_ms, told_by = r.stop_after(r.probe.recorder_failed_s)
        return _after(r, "disk full while recording", stop_ms, told_by)


def traffic_cut() -> Finding:
    """Camera, safety and policy on another host, a network namespace whose cable is pulled."""
    with _namespace() as (name, link):
        hosts = {"FASTDDS_DEFAULT_PROFILES_FILE": str(profile("network"))}
        with robot(environment=hosts, prefix=("ip", "netns", "exec", name)) as r:
            r.move()
            fault_s = time.time()
            subprocess.run(["ip", "link", "set", link, "down"], check=True)
            stop_ms, told_by = r.stop_after(fault_s)
            subprocess.run(["ip", "link", "set", link, "up"], check=True)
            return _after(r, "traffic cut between hosts", stop_ms, told_by, wait_s=15.0)


SCENARIOS: dict[str, Callable[[], Finding]] = {
    f.__name__: f
    for f in (
        policy_killed, policy_hung, camera_killed, camera_frozen, camera_blank, arm_stalled,
        safety_killed, teleop_killed, web_lost, nan_action, out_of_workspace, clock_jumped,
        two_publishers, traffic_cut, disk_full,
    )
}  # fmt: skip


def _process_fault(r: Robot, node: str, number: int, name: str) -> Finding:
    r.move()
    fault_s = time.time()
    r.graph.signal(node, number)
    stop_ms, told_by = r.stop_after(fault_s)
    if number == signal.SIGSTOP:
        r.graph.signal(node, signal.SIGCONT)
    else:
        r.graph.processes[node].wait()
        r.graph.restart(node)
    return _after(r, name, stop_ms, told_by)


def _sim_fault(fault: str, name: str) -> Finding:
    with robot() as r:
        r.move()
        r.probe.set_parameter("sim_robot_node", "fault", fault)
        _, told = r.probe.trigger("/sim/fault")  # "NAME at TIME", the time it took effect
        stop_ms, told_by = r.stop_after(float(told.split()[-1]))
        r.fault("none")
        return _after(r, name, stop_ms, told_by)


def _finding(r: Robot, name: str, fault_s: float) -> Finding:
    stop_ms, told_by = r.stop_after(fault_s)
    if r.graph.processes.get("teleop_node") and r.graph.processes["teleop_node"].poll() is not None:
        r.graph.restart("teleop_node")
    return _after(r, name, stop_ms, told_by)


def _after(r: Robot, name: str, stop_ms: float, told_by: str, wait_s: float = 0.0) -> Finding:
    """The fault is over: the arm must stay still until someone says so, and move again then."""
    time.sleep(wait_s)
    r.probe.modes.append((time.time(), r.probe.mode))
    began = len(r.probe.modes)
    time.sleep(_QUIET_S)
    moved = any(mode.startswith("moving") for _, mode in r.probe.modes[began:])
    recovered = _comes_back(r)
    return Finding(name, stop_ms, told_by, moved, recovered, r.recording_kept())


def _comes_back(r: Robot) -> bool:
    if "policy_node" not in r.graph.processes:
        r.recover()
        return not r.probe.stopped
    try:
        r.move()
    except TimeoutError:
        return False
    return True


class _Publisher:
    """Twists at 10 Hz from the probe, as a policy or a rogue would send them."""

    def __init__(self, r: Robot, topic: str) -> None:
        from geometry_msgs.msg import TwistStamped

        from robot_rl_nodes import graph

        self._node = r.probe.node
        self._out = self._node.create_publisher(TwistStamped, topic, graph.COMMAND)
        self.velocity = (0.0, 0.0, 0.0)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._stream, daemon=True)

    def send(self, velocity: tuple[float, float, float]) -> float:
        from robot_rl_nodes.messages import to_twist

        with self._lock:
            stamp_s = time.time()
            self._out.publish(to_twist(velocity, stamp_s, "base_link"))
        return stamp_s

    def __enter__(self) -> "_Publisher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._node.destroy_publisher(self._out)

    def _stream(self) -> None:
        while not self._closing.wait(0.1):
            self.send(self.velocity)


class _Hand:
    """An operator on the web page who holds the dead-man and pushes y."""

    def __init__(self, r: Robot) -> None:
        self._graph = r.graph
        self._lost = threading.Event()
        self._closing = threading.Event()
        self._last_s = 0.0
        self._thread = threading.Thread(target=self._drive, daemon=True)

    def lose(self) -> float:
        """Stop sending with the socket open, as a cable does. When the last message left."""
        self._lost.set()
        time.sleep(0.05)
        return self._last_s

    def __enter__(self) -> "_Hand":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    def _drive(self) -> None:
        import asyncio

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
                    await socket.send_json({"held": _armed(self._graph), "axes": [0, 0.6, 0, 0]})
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
def _namespace() -> Iterator[tuple[str, str]]:
    """(name of a network namespace, link on our side), joined by a virtual cable."""
    name, link = f"rrl{os.getpid()}", f"rrl{os.getpid() % 10000}"
    for command in (
        f"ip netns add {name}", f"ip link add {link} type veth peer name eth0 netns {name}",
        f"ip addr add 10.77.0.1/24 dev {link}", f"ip link set {link} up",
        f"ip netns exec {name} ip addr add 10.77.0.2/24 dev eth0",
        f"ip netns exec {name} ip link set eth0 up", f"ip netns exec {name} ip link set lo up",
    ):  # fmt: skip
        subprocess.run(command.split(), check=True)
    try:
        yield name, link
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


# ----------------------------------------------------------------------- table


def run_all(names: list[str]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.faults", name], capture_output=True, text=True,
            timeout=_SCENARIO_LIMIT_S,
        )  # fmt: skip
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
        row = rows[-1]
        print(f"{row['fault']:45s}{row['stop_ms']:8.0f} ms  {row['told_by']}  "
              f"{'MOVED AGAIN' if row['moved_by_itself_after'] else 'stayed'}  "
              f"{'recovered' if row['recovered'] else 'NOT RECOVERED'}  "
              f"{'kept' if row['recording_kept'] else 'RECORDING LOST'}", flush=True)  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []])
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    if len(arguments.names) == 1 and not arguments.csv:
        print(json.dumps(asdict(SCENARIOS[arguments.names[0]]())))
        return
    rows = run_all(arguments.names or list(SCENARIOS))
    if arguments.csv and rows:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()

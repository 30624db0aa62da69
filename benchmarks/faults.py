"""Every way a running robot can fail, with real processes: how soon is the arm told to hold?

`python -m benchmarks.faults --csv FILE` runs all scenarios, each in a process of its own;
`python -m benchmarks.faults NAME` one of them.
"""

import argparse
import csv
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.ros_robot import Hand, Publisher, Robot, robot, second_host
from hardware.limits import read_safety
from robot_rl_nodes.transport import profile

BAR_MS = 200.0
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
    with robot(policy=False) as r, Publisher(r, "/policy/delta_twist_cmds") as publisher:
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
        tempfile.TemporaryDirectory() as root,
        robot(policy=False, limits=_narrowed(Path(root), edge_m)) as r,
        Publisher(r, "/policy/delta_twist_cmds") as publisher,
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


def _narrowed(root: Path, high_m: float) -> str:
    """A file with the simulated arm's limits, whose y ends at `high_m`."""
    safety = asdict(read_safety("sim_arm"))
    safety["axes"]["tcp_y"]["high"] = high_m
    path = root / "narrow.yaml"
    path.write_text(yaml.safe_dump({"robot": {"safety": safety}}))
    return str(path)


def two_publishers() -> Finding:
    with robot() as r:
        r.move()
        fault_s = time.time()
        with Publisher(r, "/servo_node/delta_twist_cmds") as rogue:
            rogue.velocity = (0.0, 0.09, 0.0)
            stop_ms, told_by = r.stop_after(fault_s)
        return _after(r, "two publishers on the arm's topic", stop_ms, told_by)


def teleop_killed() -> Finding:
    with robot(policy=False, teleop=True) as r, Hand(r):
        r.move()
        fault_s = time.time()
        r.graph.kill("teleop_node")
        return _finding(r, "teleop killed with the dead-man held", fault_s)


def web_lost() -> Finding:
    with robot(policy=False, teleop=True) as r, Hand(r) as hand:
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
    with second_host() as (name, link):
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
        policy_killed,
        policy_hung,
        camera_killed,
        camera_frozen,
        camera_blank,
        arm_stalled,
        safety_killed,
        teleop_killed,
        web_lost,
        nan_action,
        out_of_workspace,
        clock_jumped,
        two_publishers,
        traffic_cut,
        disk_full,
    )
}


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
    try:
        if "policy_node" in r.graph.processes:
            r.move()
        else:
            r.recover()
    except TimeoutError:
        return False
    return True


# ----------------------------------------------------------------------- table


def run_all(names: list[str]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.faults", name],
            capture_output=True,
            text=True,
            timeout=_SCENARIO_LIMIT_S,
        )
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
        row = rows[-1]
        late = f"  OVER {BAR_MS:.0f} ms" if row["stop_ms"] > BAR_MS else ""
        print(
            f"{row['fault']:45s}{row['stop_ms']:8.0f} ms{late}  {row['told_by']}  "
            f"{'MOVED AGAIN' if row['moved_by_itself_after'] else 'stayed'}  "
            f"{'recovered' if row['recovered'] else 'NOT RECOVERED'}  "
            f"{'kept' if row['recording_kept'] else 'RECORDING LOST'}",
            flush=True,
        )
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

"""`make robot-demo`: one policy in the plain environment and on a simulated ROS 2 robot."""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from robot_rl.analysis.stats import wilson_interval
from robot_rl.commands.eval import evaluate_folder, policy_folder
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.errors import HardwareError, RobotRLError

_ALLOWED_POINTS = 5.0
_LEAVE_S = 15.0


def main() -> None:
    arguments = _parser().parse_args()
    try:
        sys.exit(demo(arguments.run, arguments.episodes, arguments.engine))
    except RobotRLError as error:
        sys.exit(f"robot-rl: {error}")


def demo(run_dir: Path, episodes: int, engine: str) -> int:
    """0 where both success rates lie at most 5 points apart."""
    folder = _trained_policy(run_dir)
    print(
        f"{episodes} episodes through ROS 2, five processes and more: a minute or two", flush=True
    )
    with (
        tempfile.TemporaryDirectory(prefix="robot-demo-") as root,
        _graph(folder, Path(root), engine),
    ):
        through_ros = _evaluate_through_ros(folder, episodes)
    plain, _ = evaluate_folder(folder, episodes, film=False)
    successes = {"plain environment": sum(plain.successes), "through ROS 2": sum(through_ros)}
    _show(successes, episodes)
    apart = 100 * abs(sum(plain.successes) - sum(through_ros)) / episodes
    print(f"{apart:.0f} points apart (allowed {_ALLOWED_POINTS:.0f})")
    return int(apart > _ALLOWED_POINTS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="robot_demo", description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/arm-reach"), help="run directory")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--engine", choices=["torch", "onnx"], default="torch", help="through ROS")
    return parser


def _trained_policy(run_dir: Path) -> PolicyFolder:
    if not PolicyFolder(run_dir / "policy").exists():
        print(f"{run_dir} has no policy yet: training one, about six minutes", flush=True)
        subprocess.run([_program("robot-rl"), "train", f"run_dir={run_dir}"], check=True)
    return policy_folder(run_dir)


@contextmanager
def _graph(folder: PolicyFolder, recordings: Path, engine: str) -> Iterator[None]:
    """The nodes of sim.launch.py, on a domain of their own."""
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 101))
    command = [
        _program("robot-rl"),
        "launch",
        "sim",
        f"policy:={folder.root}",
        f"engine:={engine}",
        "autostart:=false",
        *(f"image_size:={camera.source_size[0]}" for camera in folder.interface().cameras[:1]),
        f"record:={recordings}",
    ]
    graph = subprocess.Popen(command)
    try:
        yield
    finally:
        graph.send_signal(signal.SIGINT)
        graph.wait(_LEAVE_S)


def _evaluate_through_ros(folder: PolicyFolder, episodes: int) -> list[bool]:
    command = [
        _program("evaluate_node"),
        "--ros-args",
        "-p",
        f"episodes:={episodes}",
        "-p",
        f"episode_s:={_episode_s(folder)}",
        "-p",
        "record:=true",
    ]
    successes = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        for line in node.stdout:
            told = json.loads(line)
            if "episode" in told:
                successes.append(told["success"])
                mark = "success" if told["success"] else "no success"
                print(f"  episode {told['episode'] + 1:3d}/{episodes}  {mark}", flush=True)
            else:
                print(f"{told['deadline_misses']} of {told['decisions']} decisions came too late")
    if len(successes) != episodes:
        raise HardwareError(f"the graph stopped after {len(successes)} of {episodes} episodes.")
    return successes


def _episode_s(folder: PolicyFolder) -> float:
    from sim.tasks import ARM_TASKS

    return ARM_TASKS[folder.interface().task.removeprefix("arm/")].episode_s


def _show(successes: dict[str, int], episodes: int) -> None:
    table = Table("", "success", "95 % interval", box=None)
    for name, count in successes.items():
        low, high = wilson_interval(count, episodes)
        table.add_row(name, f"{count}/{episodes}", f"{100 * low:.0f} to {100 * high:.0f} %")
    Console().print(table)


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    main()

"""`robot-rl doctor`: is this machine ready, and if not, how to mend it."""

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from robot_rl.errors import RobotRLError

_GB = 1e9


@dataclass(frozen=True)
class Check:
    """One line of the report. `remedy` is empty where all is well."""

    name: str
    found: str
    remedy: str = ""


def run(arguments: argparse.Namespace) -> int:
    if arguments.what == "teleop":
        from robot_rl.commands import doctor_teleop

        return doctor_teleop.run(arguments)
    checks = [check() for check in CHECKS]
    table = Table(box=None, show_header=False)
    for check in checks:
        mark = "[red]mend[/red]" if check.remedy else "[green]ok[/green]"
        table.add_row(mark, check.name, check.found, check.remedy)
    Console(width=200).print(table)
    return int(any(check.remedy for check in checks))


def python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Check("Python", version, "" if fits else "install Python 3.11, 3.12 or 3.13")


def torch_and_cuda() -> Check:
    import torch

    from robot_rl.networks.compute import cpu_has_bfloat16
    from sim.gl import gpu_present

    if torch.cuda.is_available():
        return Check("torch", f"{torch.__version__}, CUDA on {torch.cuda.get_device_name()}")
    kind = "bfloat16" if cpu_has_bfloat16() else "float32"
    found = f"{torch.__version__}, CPU ({torch.get_num_threads()} threads, {kind})"
    remedy = "a GPU is present: install the CUDA build of torch and its driver"
    return Check("torch", found, remedy if gpu_present() else "")


def rendering() -> Check:
    try:
        from robot_rl.envs.cameras import CameraSpec
        from sim.registry import make_env

        env = make_env("arm/reach", (CameraSpec(name="front", height=64, width=64),))
        name = env.gl_renderer()
        env.close()
    except RobotRLError as error:
        return Check("rendering", "none", str(error))
    return Check("rendering", name)


def memory() -> Check:
    import psutil

    free = psutil.virtual_memory().available / _GB
    remedy = "" if free > 3 else "close programs, or lower replay.capacity"
    return Check("memory", f"{free:.1f} GB free", remedy)


def disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / _GB
    remedy = "" if free > 5 else "free 5 GB here, or put run_dir on another disk"
    return Check("disk", f"{free:.0f} GB free in {Path.cwd()}", remedy)


def suites() -> Check:
    from sim.registry import list_tasks, missing_suites

    counts: dict[str, int] = {}
    for task in list_tasks():
        suite = task.name.partition("/")[0]
        counts[suite] = counts.get(suite, 0) + 1
    found = ", ".join(f"{suite} {count}" for suite, count in counts.items())
    absent = "; ".join(f"{name}: {how}" for name, how in missing_suites())
    return Check("tasks", found + (f". Not installed: {absent}" if absent else ""))


def ros() -> Check:
    """Only deployment needs it, so its absence is not something to mend."""
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    if find_spec("rclpy") is None:
        return Check("ROS 2", "not installed; to deploy: pip install 'robot-rl[ros]'")
    try:
        return Check("ROS 2", f"rclpy {version('ros-rclpy')} (wheels)")
    except PackageNotFoundError:
        return Check("ROS 2", "rclpy of a sourced installation")


CHECKS: tuple[Callable[[], Check], ...] = (
    python,
    torch_and_cuda,
    rendering,
    memory,
    disk,
    suites,
    ros,
)

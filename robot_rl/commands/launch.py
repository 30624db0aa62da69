"""`robot-rl launch`: the nodes of a launch file, here or through ROS's own launch."""

import argparse
import os
import shutil

from robot_rl_nodes.launching import standins
from robot_rl_nodes.launching.evaluate import Plan, find_launch_file, make_plan
from robot_rl_nodes.launching.supervise import run as supervise


def run(arguments: argparse.Namespace) -> int:
    path = find_launch_file(arguments.file)
    ros2 = shutil.which("ros2")
    if ros2 and standins.real_launch():
        show = ["--show-args"] if arguments.show else []
        os.execv(ros2, [ros2, "launch", *show, str(path), *arguments.arguments])
    plan = make_plan(path, arguments.arguments)
    if arguments.show:
        _show(plan)
        return 0
    return supervise(plan.processes)


def _show(plan: Plan) -> None:
    for name, argument in plan.arguments.items():
        print(f"{name + ':=' + plan.values[name]:40s} {argument.description}")
    for process in plan.processes:
        print(f"  {process.namespace or '/'} {process.name}")

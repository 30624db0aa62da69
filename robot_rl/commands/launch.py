"""`robot-rl launch`: the nodes of a launch file, here or through ROS's own launch."""

import argparse
import os
import shutil

from robot_rl.errors import MissingPackageError


def run(arguments: argparse.Namespace) -> int:
    try:
        from robot_rl_nodes.launching import evaluate, standins, supervise
    except ImportError as error:
        raise MissingPackageError("robot_rl_nodes", "pip install ros2_ws/src/*") from error

    path = evaluate.find_launch_file(arguments.file)
    ros2 = shutil.which("ros2")
    if ros2 and standins.real_launch():
        show = ["--show-args"] if arguments.show else []
        os.execv(ros2, [ros2, "launch", *show, str(path), *arguments.arguments])
    plan = evaluate.make_plan(path, arguments.arguments)
    if arguments.show:
        print(plan.shown())
        return 0
    return supervise.run(plan.processes)

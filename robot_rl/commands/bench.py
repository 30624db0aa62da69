"""`robot-rl bench`: run the benchmarks and show their tables."""

import argparse
import importlib

from robot_rl.errors import UnknownNameError

BENCHMARKS = ("startup", "render", "replay", "learner", "growth")


def run(arguments: argparse.Namespace) -> int:
    names = BENCHMARKS if arguments.name == "all" else (arguments.name,)
    for name in names:
        if name not in BENCHMARKS:
            raise UnknownNameError("benchmark", name, ("all", *BENCHMARKS))
    from benchmarks.timing import show

    for name in names:
        module = importlib.import_module(f"benchmarks.{name}")
        show(module.TITLE, module.run())
    return 0

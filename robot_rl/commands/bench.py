"""`robot-rl bench`: run the benchmarks and show their tables."""

import argparse
import importlib
from pathlib import Path

from robot_rl.errors import UnknownNameError

BENCHMARKS = (
    "startup",
    "render",
    "replay",
    "learner",
    "compile",
    "world_models",
    "growth",
    "runtime",
    "latency",
    "transport",
    "limits",
    "busy",
)


def run(arguments: argparse.Namespace) -> int:
    names = arguments.names or BENCHMARKS
    for name in names:
        if name not in BENCHMARKS:
            raise UnknownNameError("benchmark", name, BENCHMARKS)
    from benchmarks.timing import Row, show, write_csv

    measured: dict[str, list[Row]] = {}
    for name in names:
        module = importlib.import_module(f"benchmarks.{name}")
        measured[name] = module.run()
        show(module.TITLE, measured[name])
    if arguments.csv:
        write_csv(Path(arguments.csv), measured)
    return 0

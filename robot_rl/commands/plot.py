"""`robot-rl plot`: learning curves of runs."""

import argparse
from pathlib import Path

from robot_rl.analysis.curves import plot_runs
from robot_rl.build.config import RESUMABLE


def run(arguments: argparse.Namespace) -> int:
    plot_runs(
        [Path(name) for name in arguments.run_dirs], Path(arguments.out), arguments.x, RESUMABLE
    )
    print(arguments.out)
    return 0

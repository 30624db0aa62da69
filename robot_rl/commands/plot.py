"""`robot-rl plot`: learning curves of runs, and agents compared by their final scores."""

import argparse
from pathlib import Path

from robot_rl.analysis.compare import final_scores, markdown, plot_profiles
from robot_rl.analysis.curves import plot_curves, read_curve
from robot_rl.build.config import RESUMABLE


def run(arguments: argparse.Namespace) -> int:
    curves = [read_curve(Path(name), RESUMABLE) for name in arguments.run_dirs]
    wanted = {
        arguments.table: lambda out: _write(out, markdown(final_scores(curves))),
        arguments.profiles: lambda out: plot_profiles(final_scores(curves), out),
        arguments.out: lambda out: plot_curves(curves, out, arguments.x),
    }
    for name, make in wanted.items():
        if name:
            make(Path(name))
            print(name)
    return 0


def _write(out: Path, text: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)

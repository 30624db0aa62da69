"""How long `robot-rl --help` takes, as a process."""

import subprocess
import sys

from benchmarks.timing import Row, median_s

TITLE = "start-up"


def run() -> list[Row]:
    command = [sys.executable, "-m", "robot_rl.cli", "--help"]
    seconds = median_s(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))
    return [Row("robot-rl --help", seconds, "s", "<= 0.5")]

"""Random `kill -9` during a run with interventions: what is on disk afterwards.

`python -m benchmarks.crashes --csv FILE` does it twenty times.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.timing import Row, show, write_csv
from robot_rl.episodes.folder import EpisodesFolder
from robot_rl.replay.storage import Step

_RUN = (
    "task=arm/reach",
    "task.state=true",
    "task.reward=sparse",
    "num_envs=0",
    "agent.seed_steps=0",
    "threads=1",
    "steps=1000000",
    "eval_every_steps=1000000",
    "log_every_steps=1",
    "video=false",
    "replay_ratio=0.2",
    "agent=rlpd",
    "agent.ensemble_size=2",
    "agent.batch_size=4",
    "agent.network.hidden_dim=16",
    "replay.capacity=20000",
    "human.device=simulated",
    "human.simulated.gate=random",
    "human.simulated.probability=0.2",
)
_START_S = 60.0


@dataclass(frozen=True)
class Crash:
    """One kill: steps that the metrics tell of, steps on disk, and whether they are in order."""

    told: int
    on_disk: int
    in_order: bool


def crash(run_dir: Path, overrides: Sequence[str], after_s: float) -> Crash:
    """Start or continue the run in `run_dir`, kill it `after_s` after its first new step."""
    before = _told(run_dir)
    command = [sys.executable, "-m", "robot_rl.cli", "train", *_RUN, *overrides]
    process = subprocess.Popen(
        [*command, f"run_dir={run_dir}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline_s = time.monotonic() + _START_S
    while _told(run_dir) <= before:
        if time.monotonic() > deadline_s or process.poll() is not None:
            raise TimeoutError(f"the run in {run_dir} made no step")
        time.sleep(0.01)
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    steps = [step for episode in EpisodesFolder(run_dir).episodes() for step in episode.steps]
    return Crash(_told(run_dir), len(steps), _in_order(steps))


def _told(run_dir: Path) -> int:
    """Steps of the last complete line of the metrics."""
    path = run_dir / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    lines = [line for line in text.splitlines() if line.endswith("}")]
    return json.loads(lines[-1])["step"] if lines else 0


def _in_order(steps: Sequence[Step]) -> bool:
    """Segments are named by the step they begin at: none may be missing, none twice."""
    firsts = [i for i, s in enumerate(steps) if i == 0 or s.segment != steps[i - 1].segment]
    return [steps[i].segment for i in firsts] == firsts


def main(kills: int, csv: str) -> None:
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as root:
        found = [crash(Path(root) / "run", (), rng.uniform(0.0, 3.0)) for _ in range(kills)]
    rows = [
        Row("kills", len(found), ""),
        Row("steps recorded", found[-1].on_disk, "steps"),
        Row(
            "steps told of and not on disk",
            sum(max(0, c.told - c.on_disk) for c in found),
            "steps",
            "0",
        ),
        Row(
            "kills after which a step was missing or doubled",
            sum(not c.in_order for c in found),
            "kills",
            "0",
        ),
    ]
    show("kill -9 during interventions", rows)
    if csv:
        write_csv(Path(csv), {"crashes": rows})


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--csv", default="")
    chosen = options.parse_args()
    main(chosen.kills, chosen.csv)

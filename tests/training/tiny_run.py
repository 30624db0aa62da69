"""Command lines of runs that end in seconds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent.parent
# No other setting makes the network, the batch or the evaluation smaller.
TINY = (
    "task=arm/reach",
    "seed_steps=20",
    "threads=1",
    "log_every_steps=10",
    "eval_episodes=1",
    "eval_every_steps=1000000",
    "final_eval_episodes=2",
    "video=false",
    "agent.batch_size=4",
    "agent.network.hidden_dim=16",
    "replay.capacity=3000",
    "agent.network.feature_dim=8",
)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "robot_rl.cli", *arguments]


def run_cli(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=REPOSITORY, capture_output=True, text=True, timeout=120, **options
    )


def metrics(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]

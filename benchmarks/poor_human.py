"""What is learned from a poor human: `python -m benchmarks.poor_human RUN_DIR...`.

Takes runs of `experiment=poor_human` and measures the human's own hand beside them. Writes
`results/poor_human.csv` and `results/poor_human.png`.
"""

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from robot_rl.build.config import TrainConfig, train_config
from robot_rl.build.envs import build_env
from robot_rl.envs.vector import episode_seed
from robot_rl.interventions.device import Moment
from robot_rl.interventions.simulated_human import SimulatedHuman

RESULTS = Path(__file__).parent / "results"
_EPISODES = 100
_METHODS = ("the human alone", "dagger", "hg_dagger", "rlif")


@dataclass(frozen=True)
class Score:
    """Final success of one run, or of the hand alone, at one habit of the hand."""

    bias: float
    method: str
    seed: int
    env_steps: int
    wall_s: float
    success_rate: float
    intervention_rate: float


def hand_alone(config: TrainConfig) -> Score:
    """Success of the human who learned with this run, driving all the time."""
    human = config.human.simulated
    always = SimulatedHuman(
        type(human)(gate="always", skill=human.skill, bias=human.bias, noise_std=human.noise_std),
        10.0,
        episode_seed(config.seed, 0, 0),  # the same habit as in the run
    )
    env = build_env(config.task, config.render)
    successes = sum(_drive(env, always, seed) for seed in range(_EPISODES))
    env.close()
    rate = successes / _EPISODES
    return Score(human.bias, _METHODS[0], config.seed, 0, 0.0, rate, 1.0)


def _drive(env: Any, human: SimulatedHuman, seed: int) -> bool:
    obs, _ = env.reset(seed=seed)
    human.begin_episode()
    while True:
        scene = env.scene()
        still = env.interface.hold_action(scene.measured)
        reading = human.read(Moment(obs=obs, policy_action=still, scene=scene))
        obs, _, terminated, truncated, info = env.step(reading.action)
        if terminated or truncated:
            return bool(info["success"])


def learned(run_dir: Path, config: TrainConfig) -> Score:
    """The last evaluation of a run and the human's share of its last episodes."""
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    last = [row for row in rows if "eval/success_rate" in row][-1]
    helped = [row for row in rows if "train/intervention_rate" in row][-1]
    return Score(
        config.human.simulated.bias,
        config.agent.name,
        config.seed,
        last["step"],
        last["wall_s"],
        last["eval/success_rate"],
        round(helped["train/intervention_rate"], 4),
    )


def main(run_dirs: Sequence[Path]) -> None:
    scores: list[Score] = []
    measured: set[tuple[float, int]] = set()
    for run_dir in run_dirs:
        config = train_config(yaml.safe_load((run_dir / "config.yaml").read_text()))
        scores.append(learned(run_dir, config))
        key = (config.human.simulated.bias, config.seed)
        if key not in measured:
            measured.add(key)
            scores.append(hand_alone(config))
    scores.sort(key=lambda s: (-s.bias, _METHODS.index(s.method), s.seed))
    with (RESULTS / "poor_human.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(Score.__annotations__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(vars(score) for score in scores)
    draw(scores, RESULTS / "poor_human.png")


def draw(scores: Sequence[Score], out: Path) -> None:
    """A group of bars for each habit; a dot is a seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    groups: dict[tuple[float, str], list[float]] = defaultdict(list)
    for score in scores:
        groups[score.bias, score.method].append(score.success_rate)
    biases = sorted({score.bias for score in scores}, reverse=True)
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for i, method in enumerate(_METHODS):
        places = np.arange(len(biases)) + 0.2 * (i - 1.5)
        axes.bar(
            places,
            [np.mean(groups[b, method] or [0]) for b in biases],
            0.18,
            label=method,
            alpha=0.75,
        )
        for place, bias in zip(places, biases, strict=True):
            dots = groups[bias, method]
            axes.plot([place] * len(dots), dots, "k.", markersize=5)
    names = [f"{100 * np.mean(groups[b, _METHODS[0]] or [0]):.0f} %" for b in biases]
    axes.set_xticks(range(len(biases)), names)
    axes.set_xlabel("success of the human's own hand on arm/lift (from state)")
    axes.set_ylabel("success on held-out seeds")
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3, axis="y")
    axes.legend(frameon=False)
    figure.savefig(out, dpi=130)
    pyplot.close(figure)


if __name__ == "__main__":
    main([Path(path) for path in sys.argv[1:]])

"""The end of a run: final evaluation, video, plot, policy folder."""

from collections.abc import Callable

from robot_rl.analysis.curves import is_evaluated, plot_runs
from robot_rl.build.config import RESUMABLE, TrainConfig
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.training.evaluate import Evaluation
from robot_rl.training.loop import Trainer
from robot_rl.training.monitor import Monitor
from robot_rl.types import Metrics

_LEFT = {
    "video": "policy.mp4",
    "prediction": "policy-prediction.mp4",
    "curves": "curves.png",
    "policy": "policy",
}


def finish(
    trainer: Trainer, config: TrainConfig, monitor: Monitor, stop: Callable[[], bool]
) -> None:
    """Write `policy/`, `curves.png` and films into the run."""
    root = trainer.parts.run.root
    result = trainer.learner.final_evaluation(monitor, stop)
    if result is not None:
        _tell(trainer, config, monitor, result)
    if is_evaluated(root):
        plot_runs([root], root / "curves.png", x="step", bookkeeping=RESUMABLE)
    _export(trainer, config, {} if result is None else result.metrics())
    for label, name in _LEFT.items():
        if (root / name).exists():
            monitor.say(f"  {label:10s} {root / name}")


def _tell(trainer: Trainer, config: TrainConfig, monitor: Monitor, result: Evaluation) -> None:
    monitor.say(f"final evaluation: {trainer.learner.progress()}  {result}")
    if len(result.returns) < config.final_eval_episodes:
        monitor.say(f"  stopped there; the same command evaluates {config.final_eval_episodes}")
    trainer.learner.write_films(result, trainer.parts.run.root / "policy")


def _export(trainer: Trainer, config: TrainConfig, evaluated: Metrics) -> None:
    folder, at = PolicyFolder(trainer.parts.run.policy), trainer.learner.progress()
    learned = {"steps": at.step, "updates": at.updates, "train_s": round(at.wall_s, 1)}
    folder.write(trainer.parts.agent.policy(), config, evaluated | learned)

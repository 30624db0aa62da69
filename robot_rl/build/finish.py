"""The end of a run: final evaluation, video, plot, policy folder."""

from collections.abc import Callable

from robot_rl.analysis.curves import is_evaluated, plot_runs
from robot_rl.analysis.video import write_mp4
from robot_rl.build.config import RESUMABLE, TrainConfig
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.training.evaluate import Evaluation
from robot_rl.training.loop import Trainer
from robot_rl.training.monitor import Monitor
from robot_rl.types import Metrics


def finish(
    trainer: Trainer, config: TrainConfig, monitor: Monitor, stop: Callable[[], bool]
) -> None:
    """Write `policy/`, `policy.mp4` and `curves.png` into the run."""
    root = trainer.parts.run.root
    result = trainer.learner.final_evaluation(monitor, stop)
    if result is not None:
        _tell(trainer, config, monitor, result)
    if is_evaluated(root):
        plot_runs([root], root / "curves.png", x="step", bookkeeping=RESUMABLE)
    _export(trainer, config, {} if result is None else result.metrics())
    for label, name in (("video", "policy.mp4"), ("curves", "curves.png"), ("policy", "policy")):
        if (root / name).exists():
            monitor.say(f"  {label:7s} {root / name}")


def _tell(trainer: Trainer, config: TrainConfig, monitor: Monitor, result: Evaluation) -> None:
    monitor.say(f"final evaluation: {trainer.learner.progress()}  {result}")
    if len(result.returns) < config.final_eval_episodes:
        monitor.say(f"  stopped there; the same command evaluates {config.final_eval_episodes}")
    if result.film:
        path = trainer.parts.run.root / "policy.mp4"
        write_mp4(path, result.film, trainer.parts.interface.control_rate_hz)


def _export(trainer: Trainer, config: TrainConfig, evaluated: Metrics) -> None:
    folder, at = PolicyFolder(trainer.parts.run.policy), trainer.learner.progress()
    learned = {"steps": at.step, "updates": at.updates, "train_s": round(at.wall_s, 1)}
    folder.write(trainer.parts.agent.policy(), config, evaluated | learned)

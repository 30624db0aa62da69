"""The end of a run: final evaluation, video, plot, policy folder."""

from collections.abc import Callable

from robot_rl.analysis.curves import plot_runs
from robot_rl.analysis.video import write_mp4
from robot_rl.build.config import RESUMABLE, TrainConfig
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.training.evaluate import Evaluation
from robot_rl.training.loop import Trainer, summary
from robot_rl.training.monitor import Monitor
from robot_rl.types import Metrics


def finish(
    trainer: Trainer, config: TrainConfig, monitor: Monitor, stop: Callable[[], bool]
) -> Metrics:
    """Write `policy/`, `policy.mp4` and `curves.png` into the run; the final metrics."""
    root = trainer.parts.run.root
    result = trainer.final_evaluation(monitor, stop)
    monitor.say("final evaluation: " + summary(trainer.step, trainer.elapsed_s(), result))
    if len(result.returns) < config.final_eval_episodes:
        monitor.say(f"  stopped there; the same command evaluates {config.final_eval_episodes}")
    if result.film:
        write_mp4(root / "policy.mp4", result.film, trainer.parts.interface.control_rate_hz)
    plot_runs([root], root / "curves.png", x="step", bookkeeping=RESUMABLE)
    _export(trainer, config, result)
    for label, name in (("video", "policy.mp4"), ("curves", "curves.png"), ("policy", "policy")):
        if (root / name).exists():
            monitor.say(f"  {label:7s} {root / name}")
    return result.metrics()


def _export(trainer: Trainer, config: TrainConfig, result: Evaluation) -> None:
    folder = PolicyFolder(trainer.parts.run.policy)
    metrics = result.metrics() | {"steps": trainer.step, "train_s": round(trainer.elapsed_s(), 1)}
    folder.write(trainer.parts.agent.policy(), config, metrics)

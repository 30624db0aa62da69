"""`robot-rl`: the command line. Imports nothing heavy, so that help answers at once."""

import argparse
import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from robot_rl import __version__
from robot_rl.cli_arguments import add_command, ending
from robot_rl.cli_rewards import add_rewards
from robot_rl.errors import RobotRLError

_EXAMPLES = """examples:
  robot-rl train                                  learn arm/reach from pixels, ten minutes on a CPU
  robot-rl train task=arm/lift agent=mentor seed=3
  robot-rl train run_dir=runs/a                   start, or continue where runs/a stands
  robot-rl train -m agent=drqv2,drm seed=1,2,3 run_dir=runs/sweep
  robot-rl train -m seed=1,2,3 run_dir=runs/sweep launcher=ray launcher.address=auto
  robot-rl eval runs/a --episodes 50 --video runs/a/film.mp4
  robot-rl eval runs/a robot=sim_arm              the same policy on a robot
  robot-rl plot runs/sweep/* --out curves.png
  robot-rl list tasks
"""

_LISTED = (
    "tasks",
    "variations",
    "agents",
    "rewards",
    "sizes",
    "robots",
    "arms",
    "sim_arms",
    "cameras",
    "experiments",
    "settings",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 1 on an error that was explained, 2 on bad usage."""
    arguments = parse(argv)
    # Read when torch is loaded. Threads that spin while they wait for each other hold the cores of
    # a busy machine: beside one busy core training took ten times as long (docs/compact.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    for package in ("robot_rl", "sim", "hardware"):
        logging.getLogger(package).setLevel(logging.INFO)
    module = importlib.import_module(f"robot_rl.commands.{arguments.command}")
    try:
        return module.run(arguments)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except Exception as error:
        if arguments.debug:
            raise
        return _complain(_explain(error), 1)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """argparse takes KEY=VALUE in one stretch only; here options may stand between them."""
    top = parser()
    arguments, rest = top.parse_known_args(argv)
    settings = [text for text in rest if "=" in text and not text.startswith("-")]
    if rest != settings or (rest and "overrides" not in arguments):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if settings:
        arguments.overrides += settings
    return arguments


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="robot-rl",
        description="Visual reinforcement learning for real robots.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"robot-rl {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _train(commands)
    _act(commands)
    _collect(commands)
    _teleop(commands)
    _classifier(commands)
    _evaluate(commands)
    _export(commands)
    _adapt(commands)
    _plot(commands)
    _bench(commands)
    _episodes(commands)
    add_rewards(commands)
    _variation(commands)
    _calibrate(commands)
    _launch(commands)
    listing = add_command(
        commands, "list", "list what can be named: tasks, agents, robots, settings ..."
    )
    listing.add_argument("what", choices=_LISTED)
    _doctor(commands)
    return top


def _train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    train = add_command(commands, "train", "train a policy; the same command continues a run")
    train.add_argument("-m", "--multirun", action="store_true", help="one run per combination")
    train.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings, Hydra syntax")


def _act(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    act = add_command(commands, "act", "collect for a learner that runs in another process")
    act.add_argument("address", metavar="HOST:PORT", help="actors.address of the learner")
    act.add_argument("--actor", type=int, default=0, metavar="NUMBER", help="which of its actors")
    act.add_argument("--token", required=True, metavar="FILE", help="`token` of its run directory")
    act.add_argument(
        "--spool", metavar="FOLDER", help="keeps what the learner has not, default runs/actor-00"
    )
    act.add_argument(
        "--patience-s", type=float, default=60.0, help="how long to wait for the first answer"
    )


def _collect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    collect = add_command(
        commands, "collect", "record demonstrations: human.device=..., or the expert"
    )
    collect.add_argument("--out", required=True, metavar="FOLDER")
    collect.add_argument("--episodes", type=int, default=20, help="how many OUT shall hold")
    collect.add_argument(
        "--keep-failures", action="store_true", help="episodes without success count, too"
    )
    collect.add_argument(
        "--label",
        action="store_true",
        help="for `classifier`: success (yours or the task's) marks a frame, and nothing ends",
    )
    collect.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as of train")


def _classifier(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    classifier = add_command(commands, "classifier", "learn to see success from labelled episodes")
    classifier.add_argument("folders", nargs="+", metavar="FOLDER", help="of `collect --label`")
    classifier.add_argument(
        "--negatives",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="where no frame shows success, whatever was paid: a run that fooled it",
    )
    classifier.add_argument("--out", required=True, metavar="FOLDER")
    classifier.add_argument("--encoder", default="compact", help="compact, fine or efficientnet")
    classifier.add_argument("--seed", type=int, default=0)
    classifier.add_argument("--threads", type=int, default=1, help="of torch; small nets want one")


def _teleop(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    teleop = add_command(
        commands, "teleop", "drive a task's arm yourself, on the web page by default"
    )
    teleop.add_argument("--out", metavar="FOLDER", help="record what you do there")
    teleop.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as of train")


def _evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = add_command(
        commands, "eval", "evaluate a run or policy folder, in simulation or on robot=NAME"
    )
    evaluate.add_argument("folder", help="run directory or policy folder")
    evaluate.add_argument("--episodes", type=int, default=50)
    evaluate.add_argument(
        "--video", type=ending(".mp4"), metavar="FILE.mp4", help="film the first episodes"
    )
    evaluate.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="robot=NAME, variation=NAME, and their settings",
    )


def _export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = add_command(commands, "export", "write the policy folder of a run")
    export.add_argument("run_dir")
    export.add_argument("--out", metavar="FOLDER", help="default: RUN_DIR/policy")
    export.add_argument("--onnx", action="store_true", help="also ONNX, compared action by action")
    export.add_argument(
        "settings",
        nargs="*",
        metavar="policy.KEY=VALUE",
        help="how it acts, with --out: policy.plan=false, policy.planner.iterations=2",
    )


def _adapt(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    adapt = add_command(
        commands, "adapt", "fit the encoder of a world model's policy to a changed look"
    )
    adapt.add_argument("run_dir")
    adapt.add_argument("--out", required=True, metavar="FOLDER", help="of the adapted policy")
    adapt.add_argument("--pairs", type=int, default=1_000, help="moments seen in both looks")
    adapt.add_argument("--steps", type=int, default=2_000, help="taken in the new look")
    adapt.add_argument("--updates", type=int, default=2_000)
    adapt.add_argument("--episodes", type=int, default=50, help="of each evaluation")
    adapt.add_argument("--seed", type=int, default=0)
    adapt.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="the new look: variation=NAME, task.variation.KEY=VALUE",
    )


def _plot(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    plot = add_command(
        commands, "plot", "draw learning curves of runs, seeds joined with intervals"
    )
    plot.add_argument("run_dirs", nargs="+", metavar="RUN_DIR")
    plot.add_argument(
        "--out", default="curves.png", type=ending(".png", ".svg", ".pdf"), metavar="FILE.png"
    )
    plot.add_argument("--x", choices=("step", "updates", "minutes"), default="step")
    plot.add_argument(
        "--table", type=ending(".md"), metavar="FILE.md", help="compare agents by final scores"
    )
    plot.add_argument(
        "--profiles",
        type=ending(".png", ".svg", ".pdf"),
        metavar="FILE.png",
        help="how many runs of each agent score more than what",
    )


def _bench(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    bench = add_command(
        commands, "bench", "measure speed: rendering, replay, learner, runtime, ROS 2"
    )
    bench.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; default all")
    bench.add_argument("--csv", metavar="FILE", help="also write the figures there")


def _episodes(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    episodes = add_command(
        commands, "episodes", "look at, check, merge, export and import episodes"
    )
    actions = episodes.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_command(actions, "list", "one line per episode").add_argument("folder")
    show = add_command(actions, "show", "a video of it, with who commanded drawn on it")
    show.add_argument("folder")
    show.add_argument("--episode", default="", metavar="LANE/NUMBER", help="default: all")
    show.add_argument("--out", required=True, type=ending(".mp4"), metavar="FILE.mp4")
    check = add_command(actions, "check", "find frozen cameras, dropped frames, wrong rates, NaN")
    check.add_argument("folders", nargs="+", metavar="FOLDER")
    merge = add_command(actions, "merge", "the episodes of several folders in a new one")
    merge.add_argument("folders", nargs="+", metavar="FOLDER")
    merge.add_argument("--out", required=True, metavar="FOLDER")
    merge.add_argument("--finished-only", action="store_true", help="leave torn episodes out")
    export = add_command(actions, "export", "into another project's format")
    export.add_argument("folder")
    export.add_argument("--format", required=True, choices=("lerobot", "robomimic"))
    export.add_argument("--out", required=True, metavar="PATH")
    taken = add_command(
        actions, "import", "bags, a LeRobotDataset or robomimic's HDF5 into replay episodes"
    )
    taken.add_argument("sources", nargs="+", metavar="BAG|DATASET|FILE.hdf5")
    taken.add_argument(
        "--policy",
        default="",
        help="whose interface the episodes shall have; a dataset exported here brings its own",
    )
    taken.add_argument("--out", required=True, metavar="FOLDER")
    taken.add_argument(
        "--camera",
        action="append",
        dest="cameras",
        metavar="NAME=/NAMESPACE|COLUMN",
        help="of a bag: default /camera for the first, /NAME_camera for others",
    )
    taken.add_argument(
        "--success", action="store_true", help="of a dataset: every episode ended in success"
    )
    judge = add_command(actions, "evaluate", "a policy's actions beside those that were applied")
    judge.add_argument("episodes", metavar="FOLDER")
    judge.add_argument("--policy", required=True)


def _variation(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    variation = add_command(
        commands, "variation", "see what a simulation varies; align a real camera"
    )
    actions = variation.add_subparsers(dest="action", required=True, metavar="ACTION")
    grid = add_command(actions, "grid", "the first picture of many episodes, side by side")
    grid.add_argument("--rows", type=int, default=4)
    grid.add_argument("--columns", type=int, default=6)
    overlay = add_command(actions, "overlay", "the simulated camera's picture laid over a real one")
    overlay.add_argument("--picture", default="", metavar="FILE", help="a photo or a film")
    overlay.add_argument("--driver", default="", metavar="NAME", help="of `robot-rl list cameras`")
    overlay.add_argument("--driver-settings", default="{}", metavar="JSON")
    overlay.add_argument("--share", type=float, default=0.4, help="of the simulated one")
    overlay.add_argument("--watch", action="store_true", help="write it anew until Ctrl-C")
    fit = add_command(actions, "fit", "how a real arm moves, from episodes: ranges to train with")
    fit.add_argument("folders", nargs="+", metavar="FOLDER", help="episodes of free motion")
    fit.add_argument("--out", required=True, type=ending(".yaml"), metavar="FILE.yaml")
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument(
        "--set", nargs="*", default=[], dest="overrides", metavar="KEY=VALUE", help="task, task.arm"
    )
    for action in (grid, overlay):
        action.add_argument("--camera", default="", help="default: the task's first")
        action.add_argument("--out", required=True, type=ending(".png"), metavar="FILE.png")
        action.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as of train")


def _calibrate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    calibrate = add_command(
        commands, "calibrate", "find a real camera's lens and place, from pictures of a board"
    )
    actions = calibrate.add_subparsers(dest="action", required=True, metavar="ACTION")
    board = add_command(actions, "board", "a board to print")
    board.add_argument("--out", required=True, type=ending(".png"), metavar="FILE.png")
    record = add_command(actions, "record", "take pictures of it, with the tool's pose at each")
    record.add_argument("--camera", default="", help="one of the task's; default: its first")
    record.add_argument("--out", required=True, metavar="FOLDER")
    record.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="robot=NAME, as of train")
    solve = add_command(actions, "solve", "the lens, and with the poses where the camera is")
    solve.add_argument("folder", help="of pictures; poses.jsonl has the tool's pose at each")
    solve.add_argument(
        "--mount",
        default="none",
        choices=("none", "base", "tool"),
        help="base: it stands, and the tool holds the board; tool: the other way round",
    )
    solve.add_argument("--out", required=True, type=ending(".yaml"), metavar="FILE.yaml")
    for action in (board, solve):
        action.add_argument("--columns", type=int, default=7, help="squares of the board")
        action.add_argument("--rows", type=int, default=5)
        action.add_argument("--square-m", type=float, default=0.03, help="as measured")


def _doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    doctor = add_command(
        commands, "doctor", "check this machine; `doctor teleop` shows a device's input"
    )
    doctor.add_argument("what", nargs="?", choices=("machine", "teleop"), default="machine")
    doctor.add_argument(
        "--device",
        default="keyboard",
        choices=("keyboard", "gamepad", "spacemouse", "web", "leader"),
    )
    doctor.add_argument("--path", default="", help="the gamepad's node, /dev/input/eventN")
    doctor.add_argument(
        "--driver", default="", help="the leader arm: a name or package.module:Class"
    )
    doctor.add_argument("--driver-settings", default="{}", metavar="JSON")
    doctor.add_argument("--seconds", type=float, default=1e9, help="how long to show it")


def _launch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    launch = add_command(commands, "launch", "start the ROS 2 nodes of a launch file")
    launch.add_argument("file", help="a launch file, or the name of one of robot_rl_bringup")
    launch.add_argument("arguments", nargs="*", metavar="KEY:=VALUE")
    launch.add_argument("--show", action="store_true", help="list its arguments and nodes only")


def _explain(error: Exception) -> str:
    if isinstance(error, RobotRLError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the disk is full ({error.filename or 'while writing'}). Free some space and retry."
    return f"unexpected {type(error).__name__}: {error}. Run again with --debug for the traceback."


def _complain(text: str, code: int) -> int:
    print(f"robot-rl: {' '.join(text.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

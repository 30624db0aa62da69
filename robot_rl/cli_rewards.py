"""The arguments of `robot-rl rewards`."""

import argparse

from robot_rl.cli_arguments import add_command, ending


def add_rewards(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    rewards = add_command(commands, "rewards", "make, judge and apply rewards that are seen")
    actions = rewards.add_subparsers(dest="action", required=True, metavar="ACTION")
    episodes = add_command(actions, "episodes", "episodes of every outcome, to judge a reward by")
    episodes.add_argument("--out", required=True, metavar="FOLDER")
    episodes.add_argument("--each", type=int, default=20, help="how many of each outcome")
    judge = add_command(actions, "eval", "how good rewards are on episodes whose success is known")
    judge.add_argument("folder", help="of `rewards episodes`, or any folder of episodes")
    judge.add_argument("--unlike", metavar="FOLDER", help="the same in another look")
    judge.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="'reward=NAME ...'",
        help="another reward beside it; may be repeated",
    )
    judge.add_argument("--csv", type=ending(".csv"), metavar="FILE.csv")
    judge.add_argument("--picture", type=ending(".png"), metavar="FILE.png")
    label = add_command(actions, "label", "score stored episodes: demo_labels= then pays by it")
    label.add_argument("folder")
    label.add_argument("--name", default="", help="of the labels; default: the reward's")
    label.add_argument(
        "--parquet", type=ending(".parquet"), metavar="FILE.parquet", help="for lerobot, too"
    )
    table = add_command(actions, "import", "labels from lerobot's table of progress")
    table.add_argument("folder")
    table.add_argument("--parquet", required=True, metavar="FILE.parquet")
    table.add_argument("--name", required=True, help="of the labels")
    train = add_command(actions, "train", "learn what a reward model needs")
    train.add_argument(
        "what", choices=("sim_clip", "progress", "steps_to_go", "preferences", "rapl")
    )
    train.add_argument("--out", required=True, metavar="FOLDER")
    train.add_argument("--episodes", nargs="+", default=[], metavar="FOLDER", help="but sim_clip")
    train.add_argument(
        "--policies",
        nargs="+",
        default=[],
        metavar="RUN",
        help="of sim_clip: whose episodes it shall see, too: those that fooled it",
    )
    train.add_argument("--encoder", default="effnet_lite0_map:64", help="but sim_clip, preferences")
    train.add_argument("--camera", default="", help="default: the first")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--threads", type=int, default=0, help="of torch; 0 takes all cores")
    for action in (episodes, judge, label, train):
        action.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as of train")

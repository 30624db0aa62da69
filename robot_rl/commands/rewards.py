"""`robot-rl rewards`: make, look at, train and apply rewards that are seen."""

import argparse
import importlib


def run(arguments: argparse.Namespace) -> int:
    """Each action is a file of its own."""
    return importlib.import_module(f"robot_rl.commands.rewards_{arguments.action}").run(arguments)

"""What the parts of the command line are put together with."""

import argparse
from collections.abc import Callable
from pathlib import Path


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    command.add_argument("--debug", action="store_true", help="show tracebacks")
    return command


def ending(*suffixes: str) -> Callable[[str], str]:
    """An argument that is a file of one of these kinds."""

    def check(text: str) -> str:
        if Path(text).suffix not in suffixes:
            raise argparse.ArgumentTypeError(f"'{text}' must end in {' or '.join(suffixes)}")
        return text

    return check

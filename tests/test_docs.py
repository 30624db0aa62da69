"""Every command in the README and the docs is one that the command line takes."""

import re
import shlex
from pathlib import Path

import pytest

from robot_rl.build.compose import (
    compose,
    expand_sweep,
    launcher_config,
    split_launcher,
    split_run_dir,
)
from robot_rl.cli import parse

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands() -> list[str]:
    found = []
    for page in PAGES:
        if page.name == "extending.md":  # its commands need its package: tests/test_extending.py
            continue
        text = page.read_text()
        found += re.findall(r"^robot-rl .*$", text, re.MULTILINE)
        found += re.findall(r"`(robot-rl [^`]+)`", text)
    return sorted(set(found))


@pytest.mark.parametrize("line", commands())
def test_a_command_is_taken(line):
    words = shlex.split(line, comments=True)[1:]
    arguments = parse(words)
    if arguments.command == "train":
        launcher, typed = split_launcher(arguments.overrides)
        launcher_config(launcher)
        _, overrides = split_run_dir(typed)
        for job in expand_sweep(overrides):
            compose(job)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_keys_lead_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(
        r"`((?:robot_rl|sim|hardware|ros2_ws|tests|docs|benchmarks)/[\w/.]+\.\w+)`", text
    ):
        assert (ROOT / path).exists(), path

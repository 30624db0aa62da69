"""The package of docs/extending.md, built from the page, installed, and used by its commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from robot_rl.errors import ConfigError
from robot_rl.plugins import Plugins
from tests.training.tiny_run import REPOSITORY

PAGE = (REPOSITORY / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"^`([\w/.]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = [line.split()[1:] for line in re.findall(r"^robot-rl .*$", PAGE, re.MULTILINE)]
TINY = (
    "steps=12",
    "agent.seed_steps=4",
    "eval_episodes=1",
    "final_eval_episodes=1",
    "video=false",
    "threads=1",
    "num_envs=0",
    "task.image_size=36",
    "agent.batch_size=2",
    "agent.network.hidden_dim=16",
    "agent.network.feature_dim=8",
    "replay.capacity=500",
)
MORE = {"train": TINY, "eval": ("--episodes", "1"), "list": ()}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with the package installed in it, without the network."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "site"))
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    install += ["--no-build-isolation", "--target", str(target), str(source)]
    subprocess.run(install, check=True)
    return target


def run(site: Path, here: Path, commands: list[list[str]]) -> str:
    """What these commands print, one after the other in one process started in `here`."""
    script = (
        "import sys, json; from robot_rl.cli import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    print('>', *command[:2], flush=True)\n"
        "    if code := main(command): sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(commands)],
        cwd=here,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{site}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_is_a_package_whose_commands_run(site, tmp_path):
    robot = tmp_path / "configs" / "robot" / "desk.yaml"
    robot.parent.mkdir(parents=True)
    robot.write_text(FILES["configs/robot/desk.yaml"])
    assert [command[0] for command in COMMANDS].count("train") == 4
    said = run(site, tmp_path, [[*command, *MORE[command[0]]] for command in COMMANDS])
    for line in (
        r"desk/slide +bring a ball on a rail",
        r"weighted +reward-weighted regression",
        r"near_place +Success is a tool",
        r"desk +the primitive arm on a block",
        r"desk +A slide of 40 cm",
        r"desk +`height` x `width`",
        r"desk +the slide on my desk",
        r"length_mean_steps +\d",
    ):
        assert re.search(line, said), line
    for name in ("slide", "place", "raised", "real"):
        assert (tmp_path / "runs" / name / "policy" / "policy.safetensors").exists()


def test_a_plugin_that_is_broken_or_takes_a_name_is_told_with_its_package(site, monkeypatch):
    points = next(site.glob("desk_robot-*.dist-info")) / "entry_points.txt"
    good = points.read_text()
    monkeypatch.syspath_prepend(site)
    own = {"drqv2": "robot_rl.agents.drqv2:DRQV2"}
    for old, new, words in (
        ("desk.agent:WEIGHTED", "desk.agent:GONE", "'weighted' of the package desk-robot cannot"),
        ("weighted =", "drqv2 =", "the package desk-robot adds the agent 'drqv2', which exists"),
    ):
        points.write_text(good.replace(old, new))
        with pytest.raises(ConfigError, match=words):
            Plugins("agent", "robot_rl.agents", own).load("weighted")
    points.write_text(good)

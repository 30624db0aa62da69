"""`robot-rl episodes import` and `evaluate`: bags into episodes, a policy judged on them."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robot_rl.commands.episodes import sources
from robot_rl.commands.eval import policy_folder
from robot_rl.episodes.bag_reader import Recording, read_recording
from robot_rl.episodes.folder import EpisodesFolder, create, write_episode
from robot_rl.errors import ConfigError, RunDirectoryError
from robot_rl.networks.policy import PolicyMemory
from robot_rl.replay.storage import Step
from robot_rl.types import Interface, Observation


def import_bags(arguments: argparse.Namespace) -> int:
    """Each bag becomes one or more episodes of a replay journal."""
    if not arguments.policy:
        raise ConfigError("a bag does not say what a policy sees in it: --policy FOLDER.")
    interface = policy_folder(Path(arguments.policy)).interface()
    cameras = _cameras(arguments.cameras, interface)
    out = Path(arguments.out)
    if out.exists() and any(out.iterdir()):
        raise RunDirectoryError(f"{out} is not empty; give a new folder with --out.")
    recordings = [
        (bag, r)
        for bag in map(Path, arguments.sources)
        for r in read_recording(bag, interface, cameras)
    ]
    journal = create(out, interface)
    for bag, recording in recordings:
        write_episode(journal, recording.episode())
        print(f"{bag.name}: {_summary(recording)}")
    journal.close()
    print(f"{len(recordings)} episodes in {out}")
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Open loop: what the policy would have done, beside what was applied."""
    folder = policy_folder(Path(arguments.policy))
    episodes = EpisodesFolder(Path(arguments.episodes))
    interface = episodes.interface()
    interface.require_equal(folder.interface(), f"the policy in {folder.root}")
    memory = PolicyMemory(folder.load(), 1)
    errors: dict[str, list[np.ndarray]] = {}
    for first, obs, step in _pairs(episodes):
        if first:
            memory.begin(0)
        wanted = memory.act([obs])[0]
        memory.applied(0, step.action, step.source == "policy")
        errors.setdefault(step.source, []).append(np.abs(wanted - step.action))
    names = [field.name for field in interface.actions]
    print(f"{'commanded by':14s}{'steps':>7s}" + "".join(f"{name:>10s}" for name in names))
    for source, found in sorted(errors.items()):
        mean = np.mean(found, axis=0)
        print(f"{source:14s}{len(found):7d}" + "".join(f"{value:10.4f}" for value in mean))
    print("mean absolute difference of actions in [-1, 1]")
    return 0


def _cameras(texts: list[str] | None, interface: Interface) -> dict[str, str]:
    """The first camera is `/camera`, the others `/NAME_camera`, unless they are named."""
    names = [camera.name for camera in interface.cameras]
    cameras = {name: f"/{name}_camera" if i else "/camera" for i, name in enumerate(names)}
    for text in texts or []:
        name, _, namespace = text.partition("=")
        if name not in names or not namespace.startswith("/"):
            raise ConfigError(
                f"--camera {text}: give NAME=/NAMESPACE with a NAME of the policy: "
                f"{', '.join(names) or 'it has no camera'}."
            )
        cameras[name] = namespace
    return cameras


def _summary(recording: Recording) -> str:
    by = sources(recording.episode())
    outcome = {True: "success", False: "no success", None: "unjudged"}[recording.success]
    gaps = f", {recording.gaps} gaps" if recording.gaps else ""
    return f"{len(recording.steps)} steps ({by}), {outcome}{gaps}"


def _pairs(folder: EpisodesFolder) -> Iterator[tuple[bool, Observation, Step]]:
    """(first of its episode, observation, the step taken in it)."""
    for episode in folder.episodes():
        for i, (obs, step) in enumerate(zip(episode.obs, episode.steps, strict=False)):
            yield i == 0, obs, step

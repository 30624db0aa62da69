"""`robot-rl episodes`: bags into replay episodes, and a policy judged on them without a robot."""

import argparse
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robot_rl.commands.eval import policy_folder
from robot_rl.episodes.bag_reader import Recording, read_recording
from robot_rl.errors import ConfigError, CorruptFileError, RunDirectoryError
from robot_rl.replay.journal import KEEP_ALL, Journal
from robot_rl.replay.storage import Step
from robot_rl.types import Interface, Observation

_INTERFACE = "interface.json"


def run(arguments: argparse.Namespace) -> int:
    return {"import": import_bags, "evaluate": evaluate}[arguments.action](arguments)


def import_bags(arguments: argparse.Namespace) -> int:
    """Each bag becomes one or more episodes of a replay journal."""
    interface = policy_folder(Path(arguments.policy)).interface()
    cameras = _cameras(arguments.cameras, interface)
    out = Path(arguments.out)
    if out.exists() and any(out.iterdir()):
        raise RunDirectoryError(f"{out} is not empty; give a new folder with --out.")
    recordings = [
        (bag, r)
        for bag in map(Path, arguments.bags)
        for r in read_recording(bag, interface, cameras)
    ]
    out.mkdir(parents=True, exist_ok=True)
    interface.save(out / _INTERFACE)
    journal = Journal(out, 0, interface, KEEP_ALL)
    for bag, recording in recordings:
        _write(journal, recording)
        print(f"{bag.name}: {_summary(recording)}")
    journal.close()
    print(f"{len(recordings)} episodes in {out}")
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Open loop: what the policy would have done, beside what was applied."""
    folder = policy_folder(Path(arguments.policy))
    root = Path(arguments.episodes)
    interface = Interface.load(root / _INTERFACE)
    interface.require_equal(folder.interface(), f"the policy in {folder.root}")
    policy, carry = folder.load(), [None]
    errors: dict[str, list[np.ndarray]] = {}
    for first, obs, step in _pairs(root, interface):
        wanted, carry = policy.act([obs], [None] if first else carry)
        errors.setdefault(step.source, []).append(np.abs(wanted[0].numpy() - step.action))
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
    cameras = {name: f"/{name}_camera" for name in names} | {names[0]: "/camera"}
    for text in texts or []:
        name, _, namespace = text.partition("=")
        if name not in names or not namespace.startswith("/"):
            raise ConfigError(
                f"--camera {text}: give NAME=/NAMESPACE with NAME one of {', '.join(names)}."
            )
        cameras[name] = namespace
    return cameras


def _write(journal: Journal, recording: Recording) -> None:
    journal.begin(recording.obs[0])
    for step, next_obs in zip(recording.steps, recording.obs[1:], strict=True):
        journal.add(step, next_obs)


def _summary(recording: Recording) -> str:
    by = Counter(step.source for step in recording.steps)
    sources = ", ".join(f"{count} by {source}" for source, count in by.most_common())
    outcome = {True: "success", False: "no success", None: "unjudged"}[recording.success]
    gaps = f", {recording.gaps} gaps" if recording.gaps else ""
    return f"{len(recording.steps)} steps ({sources}), {outcome}{gaps}"


def _pairs(root: Path, interface: Interface) -> Iterator[tuple[bool, Observation, Step]]:
    """(first of its episode, observation, the step taken in it)."""
    journal = Journal(root, 0, interface, KEEP_ALL)
    if not journal.segments():
        raise CorruptFileError(f"{root} holds no episodes; write some: robot-rl episodes import")
    obs: Observation = {}
    first = True
    for step, seen in itertools.chain.from_iterable(journal.episodes()):
        if step is not None:
            yield first, obs, step
        first, obs = step is None, seen

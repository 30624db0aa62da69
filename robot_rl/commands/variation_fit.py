"""`robot-rl variation fit`: ranges for the simulation, from how a real arm moved."""

import argparse
from pathlib import Path

import numpy as np
import yaml

from robot_rl.build.compose import compose
from robot_rl.episodes.folder import EpisodesFolder, StoredEpisode
from robot_rl.errors import ConfigError
from robot_rl.types import PROPRIO, TCP_POS, Interface, proprio_place

_NEAR_M = 0.1
_GRIPPER = "gripper_opening"
_KEPT_BACK = 4  # every so many episodes one is not fitted, to say how good the fit is


def run(arguments: argparse.Namespace) -> int:
    from sim.fit import AS_BUILT, Replica, Track, fit
    from sim.registry import make_simulation

    config = compose(arguments.overrides)
    task = config.task
    simulation = make_simulation(task.name, task.reward, options=task.options, arm=task.arm)
    simulation.close()  # its arm alone is asked
    arm = getattr(simulation, "arm", None)
    if arm is None:
        raise ConfigError(f"{task.name} is none of the arm suite, whose arms can be fitted.")
    episodes = [
        (folder.interface(), episode)
        for folder in map(EpisodesFolder, map(Path, arguments.folders))
        for episode in folder.episodes()
        if len(episode.steps) > 1
    ]
    tracks = [Track(*_track(interface, episode)) for interface, episode in episodes]
    wrong = {track.actions.shape[1] for track in tracks} - {len(arm.action_fields)}
    if wrong:
        raise ConfigError(
            f"the episodes have {wrong.pop()} actions, and {task.name} has "
            f"{len(arm.action_fields)}: name the task that they are of, --set task=NAME."
        )
    low, high = np.array(arm.kind.workspace_low), np.array(arm.kind.workspace_high)
    starts = np.array([track.tcp_m[0] for track in tracks])
    if ((starts < low - _NEAR_M) | (starts > high + _NEAR_M)).any():
        raise ConfigError(
            f"some episodes begin outside the workspace of {arm.kind.name} ({low} to {high} m): "
            "are the places told from another base? Set the driver's mount_m."
        )
    fields = {field.name for field in arm.action_fields}
    replica = Replica(arm.kind, arm.config, arm.turns, "gripper" in fields)
    kept_back = tracks[_KEPT_BACK - 1 :: _KEPT_BACK]
    fitted = [track for i, track in enumerate(tracks) if (i + 1) % _KEPT_BACK]
    found = fit(replica, fitted, arguments.seed)
    for name, value in found.parameters.items():
        low, high = found.ranges[name]
        print(f"  {name:20s} {value:8.4f}   {low:.4f} to {high:.4f}")
    print(f"error of the tool: {1e3 * found.before_m:.2f} mm, {1e3 * found.after_m:.2f} mm fitted")
    if kept_back:
        before, after = (
            1e3 * replica.error_m(kept_back, parameters)
            for parameters in (AS_BUILT, found.parameters)
        )
        print(f"  on {len(kept_back)} episodes kept back: {before:.2f} mm, {after:.2f} mm fitted")
    _write(Path(arguments.out), {n: [float(x) for x in r] for n, r in found.ranges.items()})
    print(f"{arguments.out}: as configs/variation/NAME.yaml it is variation=NAME")
    return 0


def _track(interface: Interface, episode: StoredEpisode) -> tuple[np.ndarray, np.ndarray, float]:
    """Raises `ConfigError` where the episodes do not tell where the tool was."""
    names = [field.name for field in interface.proprio]
    if TCP_POS not in names:
        raise ConfigError(
            f"these episodes hold {', '.join(names) or 'no proprio'}, and not {TCP_POS}: the fit "
            "compares where the tool was."
        )
    place = proprio_place(interface, TCP_POS)
    proprio = np.array([obs[PROPRIO] for obs in episode.obs], float)
    fingers = proprio[0, proprio_place(interface, _GRIPPER)] if _GRIPPER in names else 0.0
    actions = np.array([step.action for step in episode.steps], float)
    return actions, proprio[:, place : place + 3], float(fingers)


def _write(path: Path, ranges: dict[str, list[float]]) -> None:
    head = "# @package task.variation\n# fitted to how a real arm moved: robot-rl variation fit\n"
    path.write_text(head + yaml.safe_dump(ranges, sort_keys=False))

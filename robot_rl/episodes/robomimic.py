"""Export to one HDF5 file in robomimic's layout (robomimic.github.io, "Dataset Contents")."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.episodes.folder import StoredEpisode
from robot_rl.errors import MissingPackageError, RunDirectoryError
from robot_rl.types import SOURCES, Interface, Observation, ProprioField


def export(episodes: Iterable[StoredEpisode], interface: Interface, out: Path) -> int:
    """Write `out`; the number of episodes. Images are `<camera>_image`, proprio by its fields.

    The attribute `interface` of `data` is our own: what the numbers mean.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingPackageError("h5py", "pip install 'robot-rl[export]'") from error
    if out.exists():
        raise RunDirectoryError(f"{out} exists already; give a new file with --out.")
    total = count = 0
    with h5py.File(out, "w") as file:
        data = file.create_group("data")
        for count, episode in enumerate(episodes, start=1):
            _write(data.create_group(f"demo_{count - 1}"), episode, interface)
            total += len(episode.steps)
        data.attrs["total"] = total
        data.attrs["interface"] = interface.to_json()
        data.attrs["env_args"] = json.dumps(
            {"env_name": interface.task, "type": 2, "env_kwargs": {}}  # 2: a Gym environment
        )
    return count


def _write(group: Any, episode: StoredEpisode, interface: Interface) -> None:
    group.attrs["num_samples"] = len(episode.steps)
    if episode.variation:
        group.attrs["variation"] = json.dumps(dict(episode.variation))
    columns: dict[str, np.ndarray] = {
        "actions": np.stack([step.action for step in episode.steps]),
        "rewards": np.array([step.reward for step in episode.steps], np.float32),
        "dones": np.array([step.terminated for step in episode.steps], np.int64),
        "sources": np.array([SOURCES.index(step.source) for step in episode.steps], np.int64),
    }
    for name, rows in (("obs", episode.obs[:-1]), ("next_obs", episode.obs[1:])):
        columns |= {f"{name}/{key}": value for key, value in _observations(rows, interface).items()}
    for key, value in columns.items():
        group.create_dataset(key, data=value, compression="gzip")


def _observations(rows: list[Observation], interface: Interface) -> dict[str, np.ndarray]:
    columns = {
        f"{camera.name}_image": np.stack([obs[camera.key] for obs in rows])
        for camera in interface.cameras
    }
    for field, values in split_proprio(rows, interface):
        columns[field.name] = values
    return columns


def split_proprio(
    rows: list[Observation], interface: Interface
) -> list[tuple[ProprioField, np.ndarray]]:
    """Each field of proprio with its numbers [T, size]."""
    if not interface.proprio:
        return []
    table = np.stack([obs["proprio"] for obs in rows])
    ends = np.cumsum([field.size for field in interface.proprio])[:-1]
    return list(zip(interface.proprio, np.split(table, ends, axis=1), strict=True))

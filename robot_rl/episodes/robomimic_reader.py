"""Episodes from one HDF5 file in robomimic's layout."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.episodes.foreign import ForeignEpisode, require_columns
from robot_rl.errors import CorruptFileError, MissingPackageError
from robot_rl.types import SOURCES, Interface


class RobomimicFile:
    """Reads `path`; `cameras` say under which name each of ours is kept (default: NAME_image).

    Raises `CorruptFileError` for a file that is none.
    """

    def __init__(self, path: Path, cameras: Mapping[str, str]) -> None:
        try:
            import h5py
        except ImportError as error:
            raise MissingPackageError("h5py", "pip install 'robot-rl[export]'") from error
        self._path, self._cameras = path, cameras
        try:
            self._data: Any = h5py.File(path)["data"]
        except (OSError, KeyError) as error:
            raise CorruptFileError(
                f"{path} is no HDF5 file in robomimic's layout ({error})."
            ) from error

    def interface(self) -> Interface | None:
        """Its own, where this project wrote it."""
        told = self._data.attrs.get("interface")
        return None if told is None else Interface.from_json(told)

    def episodes(self, interface: Interface) -> Iterator[ForeignEpisode]:
        """Raises `InterfaceMismatchError` where a camera or a field of proprio is missing."""
        names = {c.name: self._cameras.get(c.name, f"{c.name}_image") for c in interface.cameras}
        fields = {field.name: field.name for field in interface.proprio}
        for key in sorted(self._data, key=lambda name: int(name.rpartition("_")[2])):
            demo = self._data[key]
            there = list(demo["obs"])
            require_columns(names, there, f"{self._path}", "Name it: --camera NAME=COLUMN.")
            require_columns(fields, there, f"{self._path}", "Give another --policy.")
            yield self._episode(demo, names, list(fields))

    def _episode(self, demo: Any, names: dict[str, str], fields: list[str]) -> ForeignEpisode:
        action = np.asarray(demo["actions"], np.float32)
        count = len(action)
        after = None
        if "next_obs" in demo:
            frames, proprio = self._seen(demo["next_obs"], names, fields, count)
            after = ({name: x[-1] for name, x in frames.items()}, proprio[-1])
        frames, proprio = self._seen(demo["obs"], names, fields, count)
        sources = np.asarray(demo["sources"]) if "sources" in demo else None
        return ForeignEpisode(
            frames,
            proprio,
            action,
            _column(demo, "rewards", count),
            _column(demo, "dones", count).astype(bool),
            ["expert"] * count if sources is None else [SOURCES[i] for i in sources],
            after,
        )

    @staticmethod
    def _seen(
        group: Any, names: dict[str, str], fields: list[str], count: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        frames = {own: np.asarray(group[theirs]) for own, theirs in names.items()}
        parts = [np.asarray(group[field]).reshape(count, -1) for field in fields]
        return frames, np.concatenate([np.zeros((count, 0)), *parts], axis=1)


def _column(demo: Any, name: str, count: int) -> np.ndarray:
    """[count]; zeros where there is none."""
    return np.asarray(demo[name], np.float32) if name in demo else np.zeros(count, np.float32)

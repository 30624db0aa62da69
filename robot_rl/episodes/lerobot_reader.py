"""Episodes from a LeRobotDataset v3.0: Parquet shards, pictures inside them or as videos."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from robot_rl.episodes.foreign import ForeignEpisode, require_columns
from robot_rl.episodes.lerobot import arrow_and_parquet
from robot_rl.errors import ConfigError, CorruptFileError
from robot_rl.types import INTERFACE_FILE, Interface

_IMAGES, _STATE, _ACTION = "observation.images.", "observation.state", "action"
_VERSION = "v3"


class LeRobotFolder:
    """Reads `root`; `cameras` say under which name each of ours is kept (default: its own).

    Raises `CorruptFileError` where it is no dataset of this version.
    """

    def __init__(self, root: Path, cameras: Mapping[str, str]) -> None:
        self._root, self._cameras = root, cameras
        try:
            self._info = json.loads((root / "meta" / "info.json").read_text())
            version = str(self._info["codebase_version"])
            if not version.startswith(_VERSION):
                raise ValueError(f"its version is {version}, this reads {_VERSION}")
        except (OSError, ValueError, KeyError) as error:
            raise CorruptFileError(
                f"{root} is no LeRobotDataset that can be read ({error}). Newer lerobot converts "
                "older datasets to v3.0."
            ) from error

    def interface(self) -> Interface | None:
        """Its own, where this project wrote it."""
        path = self._root / "meta" / INTERFACE_FILE
        return Interface.load(path) if path.exists() else None

    def episodes(self, interface: Interface) -> Iterator[ForeignEpisode]:
        """Raises `InterfaceMismatchError` where a column is missing, and `ConfigError` where it was
        recorded at another rate."""
        if abs(self._info["fps"] - interface.control_rate_hz) > 0.01 * interface.control_rate_hz:
            raise ConfigError(
                f"{self._root} has {self._info['fps']} frames a second, and {interface.task} is "
                f"controlled at {interface.control_rate_hz:g} Hz. Give --policy of that rate."
            )
        names = {c.name: _IMAGES + self._cameras.get(c.name, c.name) for c in interface.cameras}
        wanted = {**names, "the action": _ACTION}
        if interface.proprio:
            wanted["proprio"] = _STATE
        there = list(self._info["features"])
        require_columns(wanted, there, str(self._root), "Name it: --camera NAME=COLUMN.")
        for row in self._rows():
            yield self._episode(row, names)

    def _rows(self) -> list[dict[str, Any]]:
        """One for each episode, in their order."""
        _, parquet = arrow_and_parquet()
        files = sorted((self._root / "meta" / "episodes").rglob("*.parquet"))
        rows = [row for path in files for row in parquet.read_table(path).to_pylist()]
        return sorted(rows, key=lambda row: row["episode_index"])

    def _episode(self, row: Mapping[str, Any], names: Mapping[str, str]) -> ForeignEpisode:
        _, parquet = arrow_and_parquet()
        place = {part: row[f"data/{part}_index"] for part in ("chunk", "file")}
        path = self._info["data_path"].format(chunk_index=place["chunk"], file_index=place["file"])
        wanted = [("episode_index", "=", row["episode_index"])]
        table = parquet.read_table(self._root / path, filters=wanted).to_pydict()
        action = np.array(table[_ACTION], np.float32)
        count = len(action)
        state = table.get(_STATE)
        reward = np.array(table.get("next.reward", np.zeros(count)), np.float32)
        done = np.array(table.get("next.done", np.zeros(count)), bool)
        human = table.get("is_intervention", [False] * count)
        return ForeignEpisode(
            {own: self._frames(row, table, theirs) for own, theirs in names.items()},
            np.zeros((count, 0)) if state is None else np.array(state).reshape(count, -1),
            action,
            reward,
            done & (reward > 0.0),  # an end that pays nothing is a time limit
            ["human" if took else "expert" for took in human],
        )

    def _frames(self, row: Mapping[str, Any], table: Mapping[str, Any], column: str) -> np.ndarray:
        """uint8 [T, H, W, 3]."""
        if column in table:
            return np.stack([_decoded(picture["bytes"]) for picture in table[column]])
        places = {part: row[f"videos/{column}/{part}_index"] for part in ("chunk", "file")}
        path = self._info["video_path"].format(
            video_key=column, chunk_index=places["chunk"], file_index=places["file"]
        )
        start = round(row[f"videos/{column}/from_timestamp"] * self._info["fps"])
        return _filmed(self._root / path, start, int(row["length"]))


def _decoded(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise CorruptFileError("a picture of the dataset cannot be decoded; it was cut short.")
    return image[..., ::-1]


def _filmed(path: Path, start: int, count: int) -> np.ndarray:
    """`count` frames of a film from number `start` on."""
    import av

    frames = []
    with av.open(str(path)) as film:
        for number, frame in enumerate(film.decode(video=0)):
            if number >= start:
                frames.append(frame.to_ndarray(format="rgb24"))
            if len(frames) == count:
                return np.stack(frames)
    raise CorruptFileError(
        f"{path} ends after {len(frames)} of the {count} frames from number {start} on."
    )

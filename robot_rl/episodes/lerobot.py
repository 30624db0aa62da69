"""Export to a LeRobotDataset v3.0: Parquet shards, pictures as PNG inside them (lossless).

Layout: `meta/info.json`, `meta/stats.json`, `meta/tasks.parquet`, `meta/episodes/` with one row per
episode, `data/` with one row per step. `meta/interface.json` is our own: what the numbers mean.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from robot_rl.episodes.folder import StoredEpisode
from robot_rl.episodes.robomimic import split_proprio
from robot_rl.errors import MissingPackageError, RunDirectoryError
from robot_rl.types import IMAGE_PREFIX, INTERFACE_FILE, Interface

_VERSION = "v3.0"
_STATE, _ACTION = "observation.state", "action"
_SHARD = "chunk-000/file-000.parquet"
_NUMBERS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
    "next.reward": "float32",
    "next.done": "bool",
    "is_intervention": "bool",
}
_STATISTICS = ("min", "max", "mean", "std", "count")


def export(episodes: Iterable[StoredEpisode], interface: Interface, out: Path) -> int:
    """Write the folder `out`, which must be empty or absent; the number of episodes."""
    arrow, parquet = arrow_and_parquet()
    if out.exists() and any(out.iterdir()):
        raise RunDirectoryError(f"{out} is not empty; give a new folder with --out.")
    for folder in ("data/chunk-000", "meta/episodes/chunk-000"):
        (out / folder).mkdir(parents=True)
    features, rows, start = _features(interface), [], 0
    schema = _schema(arrow, features)
    every = _Statistics()
    with parquet.ParquetWriter(out / "data" / _SHARD, schema) as data:
        for number, episode in enumerate(episodes):
            columns = _columns(episode, interface, number, start)
            own = _Statistics()
            for statistics in (own, every):
                statistics.add(columns)
            data.write_table(arrow.table(_encoded(columns), schema=schema))
            row = _episode_row(number, start, len(episode.steps), interface, own)
            rows.append({**row, "variation": json.dumps(dict(episode.variation))})
            start += len(episode.steps)
    parquet.write_table(arrow.Table.from_pylist(_told(rows)), out / "meta" / "episodes" / _SHARD)
    parquet.write_table(_tasks(arrow, interface), out / "meta" / "tasks.parquet")
    _write_json(out / "meta" / "stats.json", every.tree())
    interface.save(out / "meta" / INTERFACE_FILE)
    _write_json(out / "meta" / "info.json", _info(interface, features, len(rows), start))
    return len(rows)


# -------------------------------------------------------------------------- data


def _columns(
    episode: StoredEpisode, interface: Interface, number: int, start: int
) -> dict[str, np.ndarray]:
    """One row per step: the observation it was chosen in, the action, what it brought."""
    count = len(episode.steps)
    frames = np.arange(count)
    columns = {
        "timestamp": (frames / interface.control_rate_hz).astype(np.float32),
        "frame_index": frames,
        "episode_index": np.full(count, number),
        "index": start + frames,
        "task_index": np.zeros(count, np.int64),
        "next.reward": np.array([step.reward for step in episode.steps], np.float32),
        "next.done": np.array([step.terminated or step.truncated for step in episode.steps]),
        "is_intervention": np.array([step.source == "human" for step in episode.steps]),
        _ACTION: np.stack([step.action for step in episode.steps]),
    }
    before = episode.obs[:-1]
    parts = [values for _, values in split_proprio(before, interface)]
    if parts:
        columns[_STATE] = np.concatenate(parts, axis=1)
    for camera in interface.cameras:
        columns[_image(camera.key)] = np.stack([obs[camera.key] for obs in before])
    return columns


def _encoded(columns: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        name: [_png(frame) for frame in values] if values.ndim == 4 else list(values)
        for name, values in columns.items()
    }


def _png(frame: np.ndarray) -> dict[str, Any]:
    encoded = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1]
    return {"bytes": encoded.tobytes(), "path": None}


def _image(key: str) -> str:
    return f"observation.images.{key.removeprefix(IMAGE_PREFIX)}"


class _Statistics:
    """Minimum, maximum, mean, deviation, count by feature; pictures by channel in [0, 1]."""

    def __init__(self) -> None:
        self._sums: dict[str, list[np.ndarray]] = {}
        self._count: dict[str, int] = {}

    def add(self, columns: dict[str, np.ndarray]) -> None:
        for name, values in columns.items():
            x = values.astype(np.float64) / (255.0 if values.ndim == 4 else 1.0)
            axes = (0, 1, 2) if values.ndim == 4 else (0,)
            n = int(np.prod([x.shape[axis] for axis in axes]))
            new = [x.min(axes), x.max(axes), x.sum(axes), np.square(x).sum(axes)]
            old = self._sums.setdefault(name, [new[0], new[1], 0 * new[2], 0 * new[3]])
            self._sums[name] = [
                np.minimum(old[0], new[0]),
                np.maximum(old[1], new[1]),
                old[2] + new[2],
                old[3] + new[3],
            ]
            self._count[name] = self._count.get(name, 0) + n

    def tree(self) -> dict[str, dict[str, Any]]:
        return {name: self._of(name) for name in self._sums}

    def _of(self, name: str) -> dict[str, Any]:
        low, high, total, squares = self._sums[name]
        n = self._count[name]
        deviation = np.sqrt(np.maximum(squares / n - np.square(total / n), 0.0))
        shape = (3, 1, 1) if name.startswith("observation.images.") else (-1,)
        numbers = zip(_STATISTICS[:4], (low, high, total / n, deviation), strict=True)
        found = {key: np.reshape(value, shape).tolist() for key, value in numbers}
        return {**found, "count": [n]}


# -------------------------------------------------------------------------- meta


def _features(interface: Interface) -> dict[str, dict[str, Any]]:
    features = {name: _feature(kind, [1], None) for name, kind in _NUMBERS.items()}
    if interface.proprio:
        names = [
            field.name if field.size == 1 else f"{field.name}_{i}"
            for field in interface.proprio
            for i in range(field.size)
        ]
        features[_STATE] = _feature("float32", [len(names)], names)
    actions = [field.name for field in interface.actions]
    features[_ACTION] = _feature("float32", [len(actions)], actions)
    for camera in interface.cameras:
        shape = [camera.height, camera.width, 3]
        features[_image(camera.key)] = _feature("image", shape, ["height", "width", "channels"])
    return features


def _feature(kind: str, shape: list[int], names: list[str] | None) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "names": names}


def _info(
    interface: Interface, features: dict[str, Any], episodes: int, frames: int
) -> dict[str, Any]:
    chunks = "chunk-{chunk_index:03d}/file-{file_index:03d}"
    return {
        "codebase_version": _VERSION,
        "robot_type": interface.task.partition("/")[0],
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 500,
        "fps": round(interface.control_rate_hz),
        "splits": {"train": f"0:{episodes}"},
        "data_path": f"data/{chunks}.parquet",
        "video_path": None,
        "features": features,
    }


def _episode_row(
    number: int, start: int, count: int, interface: Interface, statistics: _Statistics
) -> dict[str, Any]:
    row = {
        "episode_index": number,
        "tasks": [interface.task],
        "length": count,
        "data/chunk_index": 0,
        "data/file_index": 0,
        "dataset_from_index": start,
        "dataset_to_index": start + count,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }
    for name, numbers in statistics.tree().items():
        row |= {f"stats/{name}/{key}": value for key, value in numbers.items()}
    return row


def _told(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without a column for what was drawn where nothing was."""
    if any(row["variation"] != "{}" for row in rows):
        return rows
    return [{key: row[key] for key in row if key != "variation"} for row in rows]


def _tasks(arrow: Any, interface: Interface) -> Any:
    """A table whose `task` column is the index that pandas reads back."""
    table = arrow.table({"task_index": [0], "task": [interface.task]})
    columns = [
        {
            "name": "task_index",
            "field_name": "task_index",
            "pandas_type": "int64",
            "numpy_type": "int64",
            "metadata": None,
        },
        {
            "name": "task",
            "field_name": "task",
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": None,
        },
    ]
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": columns,
        "pandas_version": "2.0.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def _schema(arrow: Any, features: dict[str, dict[str, Any]]) -> Any:
    kinds = {"float32": arrow.float32(), "int64": arrow.int64(), "bool": arrow.bool_()}
    picture = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    fields = []
    for name, feature in features.items():
        kind = picture if feature["dtype"] == "image" else kinds[feature["dtype"]]
        vector = feature["dtype"] != "image" and name in (_STATE, _ACTION)
        fields.append((name, arrow.list_(kind, feature["shape"][0]) if vector else kind))
    return arrow.schema(fields)


def _write_json(path: Path, tree: dict[str, Any]) -> None:
    path.write_text(json.dumps(tree, indent=2) + "\n")


def arrow_and_parquet() -> tuple[Any, Any]:
    """The modules. Raises `MissingPackageError` without them."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackageError("pyarrow", "pip install 'robot-rl[export]'") from error
    return pyarrow, pyarrow.parquet

"""rosbag2 folders through the package `rosbags`, which needs no ROS."""

from pathlib import Path
from typing import Any

import yaml

from robot_rl.errors import CorruptFileError, MissingPackageError

_DISTRIBUTION = "ros2_kilted"


def require_rosbags() -> None:
    """Raise `MissingPackageError` with the way to mend it."""
    try:
        import rosbags.rosbag2  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("rosbags", "pip install 'robot-rl[ros]'") from error


def typestore() -> Any:
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores(_DISTRIBUTION))


def open_bag(path: Path) -> Any:
    """A writer of one new bag, for a `with` block."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    return Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)


def custom_data(path: Path) -> dict[str, str]:
    """What the recorder noted in `metadata.yaml`. Raises `CorruptFileError`."""
    try:
        tree = yaml.safe_load((path / "metadata.yaml").read_text())
        return dict(tree["rosbag2_bagfile_information"].get("custom_data") or {})
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(
            f"{path} is not a finished bag ({type(error).__name__}: {error}). Folders under "
            ".partial were cut off while they were written."
        ) from error

"""A folder of pictures of a board, with the tool's pose at which each was taken."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from hardware.arm import ArmState
from hardware.rotation import rotation_vector
from robot_rl.errors import ConfigError, CorruptFileError
from robot_rl.jsonlines import JsonLines, read_json_lines

_POSES = "poses.jsonl"


class Picture(NamedTuple):
    """uint8 RGB [H, W, 3]; `tool` [4, 4] is its pose in the base, None where nobody wrote it."""

    name: str
    image: np.ndarray
    tool: np.ndarray | None


class Pictures:
    """Of one camera in `root`; more are added behind those that are there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, image: np.ndarray, state: ArmState) -> str:
        """The name under which it is kept. Raises `ConfigError` where it cannot be written."""
        self.root.mkdir(parents=True, exist_ok=True)
        numbers = [int(Path(each).stem) for each in self._names() if Path(each).stem.isdigit()]
        name = f"{max(numbers, default=-1) + 1:03d}.png"
        if not cv2.imwrite(str(self.root / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
            raise ConfigError(f"{self.root / name} cannot be written.")
        lines = JsonLines(self.root / _POSES)
        lines.write({"picture": name, "pos_m": state.tcp_pos_m, "quat": state.tcp_quat})
        lines.close()
        return name

    def __iter__(self) -> Iterator[Picture]:
        """Raises `CorruptFileError` for a picture or a pose that cannot be read, `ConfigError`
        where there is none."""
        names, poses = self._names(), self._poses()
        if not names:
            raise ConfigError(f"{self.root} holds no pictures (*.png, *.jpg).")
        for name in names:
            image = cv2.imread(str(self.root / name))
            if image is None:
                raise CorruptFileError(f"{self.root / name} is no picture.")
            yield Picture(name, cv2.cvtColor(image, cv2.COLOR_BGR2RGB), poses.get(name))

    def _names(self) -> list[str]:
        found = (path for end in ("*.png", "*.jpg") for path in self.root.glob(end))
        return sorted(path.name for path in found)

    def _poses(self) -> dict[str, np.ndarray]:
        path = self.root / _POSES
        rows = read_json_lines(path)
        try:
            return {row["picture"]: _pose(row["pos_m"], row["quat"]) for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"{path} has a line that is no pose: {error!r}.") from error


def _pose(pos_m: list[float], quat: list[float]) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array(rotation_vector(quat)))[0]
    pose[:3, 3] = pos_m
    return pose

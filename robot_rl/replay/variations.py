"""What was drawn for each recorded episode, beside the lane's journal: one JSON line an episode."""

from collections.abc import Mapping
from pathlib import Path

from robot_rl.errors import CorruptFileError
from robot_rl.jsonlines import JsonLines, read_json_lines


class Variations:
    """Of one lane in `directory`. Episodes are known by how many steps were recorded before."""

    def __init__(self, directory: Path, lane: int) -> None:
        self._path = directory / f"lane{lane:02d}.variations.jsonl"
        self._lines: JsonLines | None = None

    def add(self, first_step: int, drawn: Mapping[str, float]) -> None:
        """Before the episode's first record. Nothing is written where nothing was drawn."""
        if drawn:
            self._lines = self._lines or JsonLines(self._path)
            self._lines.write({"first_step": first_step, **drawn})

    def close(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def read(self) -> dict[int, dict[str, float]]:
        """What was drawn, by the episode's first step. A line that a kill cut short is left out.

        Raises `CorruptFileError` for damage anywhere else.
        """
        found: dict[int, dict[str, float]] = {}
        for drawn in read_json_lines(self._path):
            if "first_step" not in drawn:
                raise CorruptFileError(f"{self._path} has a line of no episode: {drawn}")
            found[drawn.pop("first_step")] = drawn
        return found

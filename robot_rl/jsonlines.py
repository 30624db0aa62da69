"""Files of JSON objects, one a line, that a kill may cut short."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robot_rl.errors import CorruptFileError


class JsonLines:
    """Appends one JSON object a line; a line that a killed process left unfinished is cut."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            _cut_torn_line(path)
        self._file = path.open("a", buffering=1)

    def write(self, row: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(row) + "\n")

    def close(self) -> None:
        self._file.close()


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of `path`, none where it is not there. A line that a kill cut short is left out.

    Raises `CorruptFileError` for damage anywhere else.
    """
    text = path.read_text() if path.exists() else ""
    for line in text.split("\n")[:-1]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise CorruptFileError(f"{path} has a line that is none: {line!r}") from error
        if not isinstance(row, dict):
            raise CorruptFileError(f"{path} has a line that is none: {line!r}")
        yield row


def _cut_torn_line(path: Path) -> None:
    data = path.read_bytes()
    complete = data.rfind(b"\n") + 1
    if complete < len(data):
        os.truncate(path, complete)

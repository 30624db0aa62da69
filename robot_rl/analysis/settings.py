"""What sets runs apart that would otherwise bear one name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Drawn as a spread, or where the run lies.
_IGNORED = frozenset({"seed", "run_dir"})


def set_apart(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each run `, key=value` of all that these runs have in common and set differently.

    `settings` has the leaves of each run's configuration by dotted path.
    """
    common = set.intersection(*(set(run) for run in settings)) - _IGNORED
    differing = sorted(key for key in common if len({repr(run[key]) for run in settings}) > 1)
    return [
        "".join(f", {key.rpartition('.')[2]}={_text(run[key])}" for key in differing)
        for run in settings
    ]


def _text(value: Any) -> str:
    """Folders by their names alone: where they lie says nothing."""
    return " ".join(Path(v).name for v in value) if isinstance(value, list) else str(value)

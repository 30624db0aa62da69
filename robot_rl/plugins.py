"""Names on offer: the project's own, and those that installed packages add through entry points."""

import importlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from robot_rl.errors import ConfigError, UnknownNameError


class Plugins:
    """Things of one kind by name. `own` maps names to `package.module:attribute`, or to a module.

    A package adds a name by an entry point of `group` (docs/extending.md). Nothing is imported
    before it is asked for.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, str]) -> None:
        self.kind, self.group = kind, group
        self._own = dict(own)

    def names(self) -> list[str]:
        return sorted({*self._own, *self._found})

    def load(self, name: str, also: Sequence[str] = ()) -> Any:
        """Raises `UnknownNameError`, closest names first, and `ConfigError` for a broken plugin.

        `also` are names that the caller takes besides, told where a name is unknown.
        """
        if name not in self._own and name not in self._found:
            raise UnknownNameError(self.kind, name, [*self.names(), *also])
        if name in self._own:
            return attribute(self._own[name])
        try:
            return self._found[name].load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"{self.kind} '{name}' of the package {_package(self._found[name])} cannot be "
                f"loaded ({error}). Repair or uninstall that package."
            ) from error

    @cached_property
    def _found(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name in self._own or point.name in found:
                raise ConfigError(
                    f"the package {_package(point)} adds the {self.kind} '{point.name}', which "
                    "exists already. Uninstall one of the two."
                )
            found[point.name] = point
        return found


def attribute(path: str) -> Any:
    """What `package.module:attribute` names, or the module. Raises as importing it does."""
    module, colon, name = path.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if colon else found


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value

"""What a run may change when it goes on: fields say so themselves, in their metadata."""

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

_RESUMABLE = "resumable"


def resumable(default: Any) -> Any:
    """A dataclass field with this default, which a run that continues may set anew."""
    return dataclasses.field(default=default, metadata={_RESUMABLE: True})


def resumable_settings(schema: type) -> tuple[str, ...]:
    """Dotted paths of the resumable fields of a dataclass and of those nested in it."""
    return tuple(_paths(schema, ""))


def _paths(schema: type, prefix: str) -> Iterator[str]:
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        hint = hints[field.name]
        if field.metadata.get(_RESUMABLE):
            yield prefix + field.name
        elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from _paths(hint, f"{prefix}{field.name}.")

"""Plain data to frozen dataclasses, with every type checked and every message complete."""

import dataclasses
import types
import typing
from typing import Any, Literal

from robot_rl.errors import ConfigError, UnknownNameError


def from_tree(schema: Any, tree: Any, where: str = "") -> Any:
    """`tree` (dicts, lists, scalars) as `schema`: a dataclass or any annotation used in one.

    Annotations are scalars, `Literal`, `dict[str, X]`, `tuple[X, ...]`, dataclasses and unions of
    these with each other and None. Raises `ConfigError` for a wrong type or a setting that
    is left out and has no default, `UnknownNameError` for an unknown key or choice, `TypeError` for
    another annotation.
    """
    origin, args = typing.get_origin(schema), typing.get_args(schema)
    if schema is Any:
        return tree
    if dataclasses.is_dataclass(schema) and isinstance(schema, type):
        return _to_dataclass(schema, tree, where)
    if origin in (typing.Union, types.UnionType):
        return _to_one_of(args, tree, where)
    if origin is Literal:
        if tree not in args:
            raise UnknownNameError(f"value for {where}", str(tree), map(str, args))
        return tree
    if origin is dict:
        items = _expect(dict, tree, where, "a mapping").items()
        return {str(k): from_tree(args[1], v, f"{where}.{k}") for k, v in items}
    if origin is tuple:
        items = _expect(
            list, list(tree) if isinstance(tree, tuple) else tree, where, f"a list: {where}=[A,B]"
        )
        return tuple(from_tree(args[0], v, f"{where}[{i}]") for i, v in enumerate(items))
    if schema not in _KINDS:
        raise TypeError(f"{where} is annotated {schema}, which plain data cannot become.")
    if schema is float and isinstance(tree, int) and not isinstance(tree, bool):
        return float(tree)
    if isinstance(tree, bool) and schema is not bool:
        raise ConfigError(f"{where} needs {_KINDS[schema]}, got {tree!r}.")
    return _expect(schema, tree, where, _KINDS[schema])


_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _to_one_of(choices: tuple[Any, ...], tree: Any, where: str) -> Any:
    """The first of a union's `choices` that takes `tree`."""
    kinds = [choice for choice in choices if choice is not types.NoneType]
    if tree is None and len(kinds) < len(choices):
        return None
    refusals = []
    for kind in kinds:
        try:
            return from_tree(kind, tree, where)
        except (ConfigError, UnknownNameError) as error:
            refusals.append(error)
    if len(refusals) == 1:
        raise refusals[0]
    raise ConfigError(" Or: ".join(map(str, refusals)))


def _to_dataclass(schema: type, tree: Any, where: str) -> Any:
    tree = _expect(dict, {} if tree is None else tree, where, "a mapping")
    hints = typing.get_type_hints(schema)
    for key in tree:
        if key not in hints:
            raise UnknownNameError(
                "setting",
                f"{where}.{key}".lstrip("."),
                (f"{where}.{hint}".lstrip(".") for hint in hints),
            )
    _require_complete(schema, tree, where)
    return schema(
        **{k: from_tree(hints[k], v, f"{where}.{k}".lstrip(".")) for k, v in tree.items()}
    )


def _require_complete(schema: type, tree: dict[str, Any], where: str) -> None:
    absent = dataclasses.MISSING
    needed = [f for f in dataclasses.fields(schema) if f.default is f.default_factory is absent]
    missing = [field.name for field in needed if field.name not in tree]
    if missing:
        raise ConfigError(f"{where or 'the configuration'} lacks {', '.join(missing)}.")


def _expect(kind: Any, value: Any, where: str, words: str) -> Any:
    if not isinstance(value, kind):
        raise ConfigError(f"{where} needs {words}, got {value!r}.")
    return value


def flatten(tree: Any, path: str = "") -> dict[str, Any]:
    """Leaves by dotted path."""
    if not isinstance(tree, dict) or not tree:
        return {path: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flatten(value, f"{path}.{key}" if path else str(key))
    return leaves

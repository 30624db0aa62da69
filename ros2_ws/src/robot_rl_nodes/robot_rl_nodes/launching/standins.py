"""The part of `launch` and `launch_ros` that our launch files use, as plain data.

`install` puts these modules into `sys.modules`, and only where the real ones are missing: one
launch file then serves both worlds.
"""

import os
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from robot_rl.errors import ConfigError, UnknownNameError

Context = dict[str, str]


def text(value: Any, context: Context) -> str:
    """The text that a substitution, a list of them, or a plain value stands for."""
    if hasattr(value, "perform"):
        return value.perform(context)
    if isinstance(value, list | tuple):
        return "".join(text(part, context) for part in value)
    return str(value)


# -------------------------------------------------------------- substitutions


class LaunchConfiguration:
    def __init__(self, variable_name: str, default: Any = None) -> None:
        self.name, self.default = variable_name, default

    def perform(self, context: Context) -> str:
        if self.name in context:
            return context[self.name]
        if self.default is None:
            raise UnknownNameError("launch argument", self.name, context)
        return text(self.default, context)


class PathJoinSubstitution:
    def __init__(self, substitutions: Iterable[Any]) -> None:
        self.parts = list(substitutions)

    def perform(self, context: Context) -> str:
        return os.path.join(*(text(part, context) for part in self.parts))


class EnvironmentVariable:
    def __init__(self, name: str, *, default_value: Any = None) -> None:
        self.name, self.default = name, default_value

    def perform(self, context: Context) -> str:
        if self.name in os.environ:
            return os.environ[self.name]
        if self.default is None:
            raise ConfigError(f"the environment variable {self.name} is not set.")
        return text(self.default, context)


class FindPackageShare:
    def __init__(self, package: str) -> None:
        self.package = package

    def perform(self, context: Context) -> str:
        return str(package_share(text(self.package, context)))


class ParameterValue:
    def __init__(self, value: Any, *, value_type: Any = None) -> None:
        self.value, self.value_type = value, value_type


class IfCondition:
    wanted = True

    def __init__(self, predicate: Any) -> None:
        self.predicate = predicate

    def holds(self, context: Context) -> bool:
        found = text(self.predicate, context).strip().lower()
        if found not in ("true", "1", "false", "0"):
            raise ConfigError(f"a launch condition is '{found}'; it must be true or false.")
        return (found in ("true", "1")) == self.wanted


class UnlessCondition(IfCondition):
    wanted = False


# -------------------------------------------------------------------- actions


@dataclass
class DeclareLaunchArgument:
    name: str
    default_value: Any = None
    description: str = ""
    choices: Sequence[str] | None = None


@dataclass
class SetEnvironmentVariable:
    name: Any
    value: Any
    condition: IfCondition | None = None


@dataclass
class LogInfo:
    msg: Any
    condition: IfCondition | None = None


class PythonLaunchDescriptionSource:
    def __init__(self, location: Any) -> None:
        self.location = location


@dataclass
class IncludeLaunchDescription:
    launch_description_source: Any
    launch_arguments: Iterable[tuple[Any, Any]] = ()
    condition: IfCondition | None = None


class GroupAction:
    def __init__(self, actions: Iterable[Any], *, condition: IfCondition | None = None) -> None:
        self.actions, self.condition = list(actions), condition


@dataclass(kw_only=True)
class Node:
    package: Any
    executable: Any
    name: Any = None
    namespace: Any = None
    parameters: Sequence[Any] = ()
    remappings: Sequence[tuple[Any, Any]] = ()
    arguments: Sequence[Any] = ()
    output: str = "screen"
    condition: IfCondition | None = None
    additional_env: Mapping[str, Any] = field(default_factory=dict)


class LaunchDescription:
    def __init__(self, initial_entities: Iterable[Any] = ()) -> None:
        self.entities = list(initial_entities)


_MODULES: dict[str, tuple[Any, ...]] = {
    "launch": (LaunchDescription,),
    "launch.actions": (
        DeclareLaunchArgument,
        SetEnvironmentVariable,
        IncludeLaunchDescription,
        GroupAction,
        LogInfo,
    ),
    "launch.substitutions": (LaunchConfiguration, PathJoinSubstitution, EnvironmentVariable),
    "launch.conditions": (IfCondition, UnlessCondition),
    "launch.launch_description_sources": (PythonLaunchDescriptionSource,),
    "launch_ros": (),
    "launch_ros.actions": (Node,),
    "launch_ros.substitutions": (FindPackageShare,),
    "launch_ros.parameter_descriptions": (ParameterValue,),
}


def real_launch() -> bool:
    """Whether ROS's own `launch` is there. PyPI's package of that name is another one."""
    if "launch" in sys.modules:
        return not hasattr(sys.modules["launch"], "_robot_rl_standin")
    return find_spec("launch") is not None and find_spec("launch_ros") is not None


def install() -> None:
    for name, members in _MODULES.items():
        module = types.ModuleType(name)
        module._robot_rl_standin = True  # type: ignore[attr-defined]
        for member in members:
            setattr(module, member.__name__, member)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def package_share(package: str) -> Path:
    """`share/PACKAGE` of an installed package. Raises `ConfigError` with the places it tried."""
    for prefix in _prefixes():
        share = prefix / "share" / package
        if share.is_dir():
            return share
    raise _missing(f"the ROS package '{package}'")


def package_executable(package: str, executable: str) -> Path:
    """Where colcon (lib/PACKAGE) or pip (bin) put a node's program. Raises `ConfigError`."""
    for prefix in _prefixes():
        for folder in (prefix / "lib" / package, prefix / "bin"):
            if (folder / executable).exists():
                return folder / executable
    raise _missing(f"the program '{executable}' of the ROS package '{package}'")


def _prefixes() -> list[Path]:
    named = os.environ.get("AMENT_PREFIX_PATH", "").split(":")
    return [Path(prefix) for prefix in (*named, sys.prefix) if prefix]


def _missing(what: str) -> ConfigError:
    places = ", ".join(map(str, _prefixes()))
    return ConfigError(
        f"{what} is not installed (looked in {places}). Run 'make setup', or 'colcon build' and "
        "source install/setup.bash."
    )

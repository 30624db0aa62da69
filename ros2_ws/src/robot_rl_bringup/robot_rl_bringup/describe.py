"""The words that our launch files are written in."""

from collections.abc import Mapping, Sequence
from typing import Any

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable  # type: ignore
from launch.substitutions import LaunchConfiguration  # type: ignore
from launch_ros.actions import Node  # type: ignore
from launch_ros.parameter_descriptions import ParameterValue  # type: ignore


def arguments(described: Mapping[str, str], **defaults: Any) -> list[Any]:
    """One launch argument for each name; without a default it must be given."""
    return [
        DeclareLaunchArgument(name, default_value=defaults.get(name), description=text)
        for name, text in described.items()
    ]


def network() -> list[Any]:
    """The argument that lets other machines reach the nodes, and what it sets."""
    return [
        *arguments({"network": "let other machines reach the nodes"}, network="false"),
        SetEnvironmentVariable("ROBOT_RL_NETWORK", LaunchConfiguration("network")),
    ]


def value(name: str, kind: type = str) -> Any:
    """The argument `name` as a parameter of one type; plain text would be read as YAML."""
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


def node(executable: str, *parameters: Any, **options: Any) -> Any:
    """One of our nodes; `parameters` are dicts, of which later ones win."""
    return Node(
        package="robot_rl_nodes", executable=executable, parameters=list(parameters), **options
    )


def camera(namespace: str, source: Any, **parameters: Any) -> Any:
    """A camera node whose frames are squares of `image_size` pixels."""
    size = value("image_size", int)
    shape = {"width": size, "height": size}
    return node("camera_node", {"source": source, **shape, **parameters}, namespace=namespace)


def texts(mapping: Mapping[str, str]) -> Sequence[str]:
    """NAME=/NAMESPACE of every camera, as the policy node takes them."""
    return [f"{name}={namespace}" for name, namespace in mapping.items()]

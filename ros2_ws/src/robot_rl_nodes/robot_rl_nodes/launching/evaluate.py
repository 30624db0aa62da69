"""A launch file and its arguments, evaluated to the processes that it wants."""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl_nodes.launching import standins
from robot_rl_nodes.launching.standins import Context, text


@dataclass(frozen=True)
class Process:
    """One node to start. `parameters` holds dicts and paths of YAML files, in order."""

    name: str
    command: tuple[str, ...]
    namespace: str
    parameters: tuple[dict[str, Any] | Path, ...]
    environment: dict[str, str]


@dataclass
class Plan:
    """What a launch file comes to: its arguments with their values, and its processes."""

    arguments: dict[str, standins.DeclareLaunchArgument] = field(default_factory=dict)
    values: Context = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    def shown(self) -> str:
        """A line for each argument, then one for each process."""
        arguments = [
            f"{name + ':=' + self.values[name]:40s} {argument.description}"
            for name, argument in self.arguments.items()
        ]
        return "\n".join(
            [*arguments, *(f"  {p.namespace or '/'} {p.name}" for p in self.processes)]
        )


def find_launch_file(name: str) -> Path:
    """A path, or the name of one of robot_rl_bringup's files with or without its ending."""
    if Path(name).is_file():
        return Path(name)
    folder = standins.package_share("robot_rl_bringup") / "launch"
    for candidate in (folder / name, folder / f"{name}.launch.py"):
        if candidate.is_file():
            return candidate
    known = [path.name.removesuffix(".launch.py") for path in folder.glob("*.launch.py")]
    raise UnknownNameError("launch file", name, known)


def make_plan(path: Path, assignments: Sequence[str]) -> Plan:
    """Raises `ConfigError` for an argument that is unknown, missing or not among its choices."""
    plan = Plan()
    given = dict(_assignment(item) for item in assignments)
    _evaluate(path, given, plan, {})
    unknown = [name for name in given if name not in plan.arguments]
    if unknown:
        raise UnknownNameError("launch argument", unknown[0], plan.arguments)
    return plan


def _assignment(item: str) -> tuple[str, str]:
    name, separator, value = item.partition(":=")
    if not separator:
        raise ConfigError(f"'{item}' is not a launch argument; write {item}:=VALUE.")
    return name, value


def _evaluate(path: Path, given: Context, plan: Plan, environment: dict[str, str]) -> None:
    context = dict(given)
    _walk(_load(path).entities, context, plan, environment)
    plan.values |= context


def _load(path: Path) -> Any:
    if not standins.real_launch():
        standins.install()
    spec = importlib.util.spec_from_file_location(f"launch_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python launch file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def _walk(entities: Sequence[Any], context: Context, plan: Plan, env: dict[str, str]) -> None:
    for entity in entities:
        condition = getattr(entity, "condition", None)
        if condition is not None and not condition.holds(context):
            continue
        _enter(entity, context, plan, env)


def _enter(entity: Any, context: Context, plan: Plan, env: dict[str, str]) -> None:
    if isinstance(entity, standins.DeclareLaunchArgument):
        _declare(entity, context, plan)
    elif isinstance(entity, standins.SetEnvironmentVariable):
        env[text(entity.name, context)] = text(entity.value, context)
    elif isinstance(entity, standins.LogInfo):
        print(text(entity.msg, context), flush=True)
    elif isinstance(entity, standins.GroupAction):
        _walk(entity.actions, context, plan, env)
    elif isinstance(entity, standins.IncludeLaunchDescription):
        source = Path(text(entity.launch_description_source.location, context))
        passed = {text(k, context): text(v, context) for k, v in entity.launch_arguments}
        _evaluate(source, {**context, **passed}, plan, env)
    elif isinstance(entity, standins.Node):
        plan.processes.append(_process(entity, context, env))
    else:
        raise ConfigError(
            f"'robot-rl launch' does not know the action {type(entity).__name__}; install ROS's "
            "own launch for it."
        )


def _declare(argument: standins.DeclareLaunchArgument, context: Context, plan: Plan) -> None:
    plan.arguments.setdefault(argument.name, argument)
    if argument.name not in context:
        if argument.default_value is None:
            raise ConfigError(
                f"the launch file needs {argument.name}:=VALUE ({argument.description})."
            )
        context[argument.name] = text(argument.default_value, context)
    value = context[argument.name]
    if argument.choices and value not in argument.choices:
        raise ConfigError(
            f"{argument.name} is '{value}'; choose one of {', '.join(argument.choices)}."
        )


def _process(node: standins.Node, context: Context, env: dict[str, str]) -> Process:
    package, executable = text(node.package, context), text(node.executable, context)
    program = standins.package_executable(package, executable)
    arguments = [text(argument, context) for argument in node.arguments]
    ros = [part for rule in _rules(node, context) for part in ("-r", rule)]
    extra = {name: text(value, context) for name, value in node.additional_env.items()}
    return Process(
        name=text(node.name, context) if node.name else executable,
        command=(str(program), *arguments, "--ros-args", *ros),
        namespace=text(node.namespace, context) if node.namespace else "",
        parameters=tuple(_parameters(node.parameters, context)),
        environment={**env, **extra},
    )


def _rules(node: standins.Node, context: Context) -> Iterator[str]:
    if node.name:
        yield f"__node:={text(node.name, context)}"
    if node.namespace:
        yield f"__ns:={text(node.namespace, context)}"
    for old, new in node.remappings:
        yield f"{text(old, context)}:={text(new, context)}"


def _parameters(given: Sequence[Any], context: Context) -> Iterator[dict[str, Any] | Path]:
    for item in given:
        if isinstance(item, dict):
            yield {text(key, context): _typed(value, context) for key, value in item.items()}
        else:
            yield Path(text(item, context))


def _typed(value: Any, context: Context) -> Any:
    """As launch does: a substitution's text is read as YAML, a plain value stays what it is."""
    if isinstance(value, standins.ParameterValue):
        found = text(value.value, context)
        return found if value.value_type is str else value.value_type(yaml.safe_load(found))
    if hasattr(value, "perform"):
        return yaml.safe_load(text(value, context))
    if isinstance(value, list | tuple):
        return [_typed(part, context) for part in value]
    return json.loads(json.dumps(value))

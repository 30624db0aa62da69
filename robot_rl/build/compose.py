"""From what the user typed to a `TrainConfig`: Hydra composition, resuming, sweeps."""

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from robot_rl.agents.base import AGENTS
from robot_rl.build.config import RESUMABLE, TrainConfig, train_config
from robot_rl.config.files import config_dir, options, own_config_dir
from robot_rl.config.schema import flatten, from_tree
from robot_rl.envs.registry import DEFAULT_ARM, TaskConfig
from robot_rl.envs.robot import RobotConfig
from robot_rl.errors import ConfigError, RobotRLError, UnknownNameError
from robot_rl.launching.jobs import LauncherConfig
from robot_rl.rewards.registry import REWARDS


def compose(overrides: Sequence[str]) -> TrainConfig:
    """The configuration that `overrides` describe. Each of them must have an effect."""
    config = train_config(compose_tree(overrides))
    for override in overrides:
        for prefix, remedy in config.agent.idle().items():
            if override.lstrip("+").startswith(prefix):
                raise ConfigError(f"{override} has no effect here; it needs {remedy}.")
    _require_offered(config)
    return config


def _require_offered(config: TrainConfig) -> None:
    """Raise for an option that the task has not, and for an arm that cannot do it."""
    task = config.task
    if config.robot.present:
        return
    if task.options:
        from sim.registry import task_options

        task_options(task.name, task.options)
    if task.arm != DEFAULT_ARM:
        from sim.registry import make_simulation

        make_simulation(task.name, task.reward, options=task.options, arm=task.arm).close()


def compose_tree(overrides: Sequence[str], task: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The same as plain data. `task` has settings that take the place of the composed task's.

    Raises `ConfigError` or `UnknownNameError` for a bad override.
    """
    import hydra
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    store = ConfigStore.instance()
    plain = dataclasses.asdict(TrainConfig())
    del plain["agent"]
    store.store(name="train_schema", node=plain)
    for name in AGENTS.names():
        defaults = dataclasses.asdict(AGENTS.load(name).config)
        store.store(group="agent", name=name, node=defaults)
    expanded = [text for override in overrides for text in _expand_task(override)]
    own = own_config_dir()
    if own is not None:
        expanded.append(f"hydra.searchpath=['file://{own}']")
    try:
        with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
            composed = hydra.compose("train", expanded)
        OmegaConf.set_struct(composed, False)
        composed.task = {**composed.task, **(task or {})}
        tree = OmegaConf.to_container(composed, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise _reworded(error, overrides) from error
    assert isinstance(tree, dict)
    return _of_this_agent({str(key): value for key, value in tree.items()}, overrides)


def _of_this_agent(tree: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Sizes and tasks have values for every family of agents; this one takes those it knows.

    What was typed stays, so that it is refused by name.
    """
    defaults = AGENTS.load(str(tree["agent"].get("name", ""))).config
    known = {field.name for field in dataclasses.fields(defaults)}
    typed = {
        text.lstrip("+").partition("=")[0].split(".")[1]
        for text in overrides
        if text.lstrip("+").startswith("agent.")
    }
    kept = {key: value for key, value in tree["agent"].items() if key in known | typed}
    return {**tree, "agent": kept}


# Settings whose names are not Hydra's to know: a task's, a driver's, of cameras and axes by name.
_FREE = re.compile(
    r"(task\.(options|reward_model\.settings|cameras\.\w+)"
    r"|robot\.(arm\.settings|cameras\.\w+(\.settings)?|safety\.axes\.\w+|home))(\.|$)"
)


def _expand_task(override: str) -> list[str]:
    """`task=dmc/walker_walk` -> the suite's defaults and the name, where it has no own file; a
    reward's name alone, where that has none."""
    key, _, value = override.partition("=")
    if _FREE.match(key):
        return [f"++{override}"]
    if key == "reward" and value not in options("reward") and value in REWARDS.names():
        return [f"task.reward_model.name={value}"]  # one that needs no file of its own
    if key != "task" or value in options("task") or "," in value:
        return [override]
    from sim.registry import SUITES, require_task

    require_task(value)
    suite, _, task = value.partition("/")
    if suite in options("task"):
        return [f"task={suite}", f"task.name={value}"]
    film = SUITES.load(suite).film_camera(task)
    return ["task=other", f"task.name={value}", f"+task.cameras.{film}={{}}"]


_GROUPS = ("task", "variation", "reward", "agent", "size", "robot", "experiment")


def _on_offer(group: str) -> list[str]:
    if group == "reward":
        return sorted({*options(group), *REWARDS.names()})
    return AGENTS.names() if group == "agent" else options(group)


def _reworded(error: Exception, overrides: Sequence[str]) -> RobotRLError:
    """Hydra's complaint as one line that lists the choices."""
    text = str(error)
    if match := re.search(r"Could not find '(\w+)/([^']+)'", text):
        return UnknownNameError(match[1], match[2], _on_offer(match[1]))
    if match := re.search(r"Could not override '([^']+)'", text):
        chosen = [text for text in overrides if text.partition("=")[0] in _GROUPS]
        groups = [f"{group}=" for group in _GROUPS]
        return UnknownNameError("setting", match[1], [*flatten(compose_tree(chosen)), *groups])
    if "Ambiguous value" in text:
        return ConfigError(f"{text.splitlines()[0]}: a list of values is a sweep; add -m.")
    return ConfigError(" ".join(text.split()))


def elsewhere(task: Mapping[str, Any], overrides: Sequence[str]) -> tuple[TaskConfig, RobotConfig]:
    """The saved `task` of a policy on the robot that `overrides` name, paid as that robot pays, or
    in simulations that vary as they say.

    Raises `ConfigError` for an override of anything else.
    """
    others = [text for text in overrides if not _ELSEWHERE.match(text.lstrip("+"))]
    if others:
        raise ConfigError(
            f"{', '.join(others)} cannot be set here: a policy is evaluated on the task that it "
            "was made for. Choose where, and what pays: robot=NAME, robot.KEY=, "
            "reward=NAME, variation=."
        )
    chosen = {text.lstrip("+").partition("=")[0].partition(".")[0] for text in overrides}
    varied = any("variation" in text.partition("=")[0] for text in overrides)
    left = ("reward", "variation") if "robot" in chosen else ("variation",)
    kept = {key: value for key, value in task.items() if not key.startswith(left)}
    config = train_config(compose_tree(overrides, kept))
    if not (config.robot.present or varied):
        raise ConfigError(
            "no robot is named: robot=NAME of `robot-rl list robots`, variation=NAME of "
            "`robot-rl list variations`, or nothing."
        )
    return config.task, config.robot


_ELSEWHERE = re.compile(r"robot[=.]|reward=|task\.reward_model\.|variation=|task\.variation\.")


# ----------------------------------------------------------------------------- resume


def split_run_dir(overrides: Sequence[str]) -> tuple[str, list[str]]:
    """The value of `run_dir=` (empty where absent) and the other overrides."""
    run_dir, others = "", []
    for override in overrides:
        if override.startswith("run_dir="):
            run_dir = override.partition("=")[2]
        else:
            others.append(override)
    return run_dir, others


def resume(
    saved: dict[str, Any], before: Sequence[str], overrides: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """The saved tree with what `overrides` change against those typed `before`, and all of them.

    Length and bookkeeping of a run may change; `ConfigError` names what may not.
    """
    added = [override for override in overrides if override not in before]
    keys = {override.partition("=")[0] for override in added}
    kept = [override for override in before if override.partition("=")[0] not in keys]
    old, new = flatten(compose_tree(before)), flatten(compose_tree([*kept, *added]))
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    changed.pop("run_dir", None)
    fixed = sorted(key for key in changed if key not in RESUMABLE)
    if fixed:
        raise ConfigError(
            f"this run was started with other values of {', '.join(fixed[:6])}"
            f"{' and more' if len(fixed) > 6 else ''}. Start a new run_dir to change them; "
            f"a run that continues may change {', '.join(RESUMABLE)}."
        )
    return _with_values(saved, changed), [*kept, *added]


def _with_values(tree: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """`tree` with the leaves at these dotted paths replaced."""
    new = dict(tree)
    for path, value in values.items():
        key, _, rest = path.partition(".")
        new[key] = _with_values(new.get(key, {}), {rest: value}) if rest else value
    return new


# ------------------------------------------------------------------------------ sweeps


def split_launcher(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """`launcher=NAME` and `launcher.KEY=...`, and the other overrides."""
    launcher = [text for text in overrides if re.match(r"launcher[=.]", text)]
    return launcher, [text for text in overrides if text not in launcher]


def launcher_config(overrides: Sequence[str]) -> LauncherConfig:
    """Raises `ConfigError` or `UnknownNameError` for a value or a key that there is not."""
    tree: dict[str, Any] = {}
    for text in overrides:
        key, _, value = text.partition("=")
        tree[key.removeprefix("launcher").lstrip(".") or "name"] = yaml.safe_load(value)
    return from_tree(LauncherConfig, tree, "launcher")


def expand_sweep(overrides: Sequence[str]) -> list[list[str]]:
    """`seed=1,2 agent=drm,taco` -> one list of overrides per job, in the order typed."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise _reworded(error, overrides) from error
    choices = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override()
        else [text]
        for o, text in zip(parsed, overrides, strict=True)
    ]
    return [list(job) for job in itertools.product(*choices)]


def sweep_run_dir(root: str, job: Sequence[str], overrides: Sequence[str]) -> Path:
    """One folder per job below `root`, named after what varies."""
    varied = [text for text in job if text not in overrides]
    name = ",".join(varied).replace("/", "-") or "single"
    return Path(root) / name

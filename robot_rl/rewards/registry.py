"""What pays in a task's place, by name. Imports no torch."""

from collections.abc import Mapping
from typing import Any

from robot_rl.errors import ConfigError
from robot_rl.plugins import Plugins

# An entry point names a class, or a function, that is called with the environment and the settings
# in `task.reward_settings`, and returns a `robot_rl.envs.wrappers.TaskWrapper` of it that pays.
# `info["success"]` is its verdict, and `terminated` the end that follows from that.
REWARDS = Plugins(
    "reward",
    "robot_rl.rewards",
    {"classifier": "robot_rl.rewards.classifier_env:ClassifierReward"},
)


def paid(env: Any, name: str, settings: Mapping[str, Any]) -> Any:
    """`env` as the reward model `name` pays. Raises `ConfigError` for other settings."""
    pays = REWARDS.load(name)
    try:
        return pays(env, **settings)
    except TypeError as error:
        raise ConfigError(
            f"the reward model '{name}' does not take these task.reward_settings ({error})."
        ) from error

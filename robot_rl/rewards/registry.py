"""Reward models by name. Imports no torch."""

from typing import Any

from robot_rl.envs.reward import RewardConfig
from robot_rl.errors import ConfigError
from robot_rl.plugins import Plugins
from robot_rl.types import Interface

# An entry point names a class or a function that is called with the interface of the observations
# to judge and with the settings in `task.reward_model.settings`; it returns a `RewardModel`.
REWARDS = Plugins(
    "reward",
    "robot_rl.rewards",
    {
        "classifier": "robot_rl.rewards.classifier:ClassifierReward",
        "demonstrated": "robot_rl.rewards.demonstrated:Demonstrated",
        "goal_picture": "robot_rl.rewards.goal_picture:GoalPicture",
        "gvl": "robot_rl.rewards.server_scores:Gvl",
        "perceptual_steps": "robot_rl.rewards.perceptual_steps:PerceptualSteps",
        "preferences": "robot_rl.rewards.preferences:PreferenceReward",
        "progress": "robot_rl.rewards.progress:Progress",
        "random": "robot_rl.rewards.baselines:RandomScores",
        "rating": "robot_rl.rewards.server_scores:Rating",
        "steps_to_go": "robot_rl.rewards.steps_to_go:StepsToGo",
        "subgoals": "robot_rl.rewards.subgoals:Subgoals",
        "topreward": "robot_rl.rewards.server_scores:TopReward",
        "vlm_rm": "robot_rl.rewards.vlm_rm:VlmRm",
    },
)


def make_reward(config: RewardConfig, interface: Interface) -> Any:
    """The `RewardModel` that `config` names. Raises `ConfigError` for other settings."""
    make = REWARDS.load(config.name)
    try:
        return make(interface, **config.settings)
    except TypeError as error:
        raise ConfigError(
            f"the reward '{config.name}' does not take these task.reward_model.settings ({error})."
        ) from error

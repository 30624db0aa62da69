"""Environments by name: what cannot be opened is refused with the remedy."""

import pytest

from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.errors import ConfigError


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (TaskConfig(name="arm/reach"), "has no camera. Add one"),
        (TaskConfig(name="arm/reach", state=True, use_proprio=False), "observes nothing: state"),
        (
            TaskConfig(state=True, use_proprio=False, cameras={"front": CameraSpec()}),
            "Set task.use_proprio=true",
        ),
    ],
)
def test_a_task_that_observes_nothing_is_refused(task, words):
    with pytest.raises(ConfigError, match=words):
        open_env(task, RenderConfig())

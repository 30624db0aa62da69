"""The relative frame."""

import numpy as np
import pytest

from robot_rl.envs.cameras import CameraSpec
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.types import PROPRIO


@pytest.fixture(scope="module")
def envs():
    cameras = {"front": CameraSpec()}
    made = [
        open_env(
            TaskConfig(name="arm/lift", cameras=cameras, image_size=32, relative_frame=relative),
            RenderConfig(),
        )
        for relative in (False, True)
    ]
    yield made
    for env in made:
        env.close()


def test_the_tool_counts_from_where_the_episode_began(envs):
    plain = envs[0]
    start, zero = (env.reset(seed=3)[0][PROPRIO] for env in envs)
    np.testing.assert_array_equal(zero[:3], np.zeros(3))
    np.testing.assert_array_equal(zero[3:], start[3:])
    for _ in range(3):
        moved, counted = (env.step(np.array([1, 0, 0, 0], np.float32))[0][PROPRIO] for env in envs)
    np.testing.assert_allclose(counted[:3], moved[:3] - start[:3], atol=1e-6)
    assert counted[0] > 0.03
    assert plain.interface.proprio[0].name == "tcp_pos"


def test_a_policy_of_the_other_frame_is_refused(envs):
    from robot_rl.errors import InterfaceMismatchError

    plain, relative = envs
    with pytest.raises(InterfaceMismatchError, match="tcp_pos_from_start"):
        plain.interface.require_equal(relative.interface, "the policy")


def test_scene_and_expert_pass_through(envs):
    _, relative = envs
    relative.reset(seed=3)
    assert relative.scene().progress > 0
    np.testing.assert_array_equal(relative.expert_action(), relative.scene().expert_action)

"""Gymnasium spaces of an interface, the same for a simulated task and a robot."""

from typing import Any

import gymnasium as gym
import numpy as np

from robot_rl.types import PROPRIO, Interface


def observation_space(interface: Interface) -> Any:
    spaces: dict[str, gym.Space[Any]] = {
        camera.key: gym.spaces.Box(0, 255, (camera.height, camera.width, 3), np.uint8)
        for camera in interface.cameras
    }
    if interface.proprio:
        shape = (interface.proprio_size,)
        spaces[PROPRIO] = gym.spaces.Box(-np.inf, np.inf, shape, np.float32)
    return gym.spaces.Dict(spaces)


def action_space(interface: Interface) -> gym.spaces.Box:
    return gym.spaces.Box(-1.0, 1.0, (interface.action_size,), np.float32)

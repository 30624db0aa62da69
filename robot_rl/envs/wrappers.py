"""What a wrapper of a task's environment passes on, and the relative frame."""

import dataclasses
from typing import Any

import gymnasium as gym
import numpy as np

from robot_rl.envs.spaces import observation_space
from robot_rl.types import (
    PROPRIO,
    TCP_POS,
    TCP_POS_FROM_START,
    Interface,
    Observation,
    Scene,
    proprio_place,
)


class TaskWrapper(gym.Wrapper[Observation, np.ndarray, Observation, np.ndarray]):
    """Beside Gymnasium's methods a task has an interface, a scene and an expert."""

    @property
    def interface(self) -> Interface:
        return self.env.interface  # type: ignore[attr-defined]

    def scene(self) -> Scene:
        return self.env.scene()  # type: ignore[attr-defined]

    def expert_action(self) -> np.ndarray | None:
        return self.env.expert_action()  # type: ignore[attr-defined]

    def gl_renderer(self) -> str:
        return self.env.gl_renderer()  # type: ignore[attr-defined]


def relative(interface: Interface) -> Interface:
    """With `tcp_pos` as `RelativeFrame` counts it."""
    fields = [
        dataclasses.replace(f, name=TCP_POS_FROM_START) if f.name == TCP_POS else f
        for f in interface.proprio
    ]
    return dataclasses.replace(interface, proprio=tuple(fields))


class RelativeFrame(TaskWrapper):
    """`tcp_pos` counts from where the episode began (HIL-SERL, section 3.2).

    A policy then works wherever its workspace is put. Actions stay along the axes of the base. Of
    a tool that only points down the frame is a constant turn of the base's: mapping actions into
    it (the paper's adjoint) would change nothing that is learned.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._place = proprio_place(env.interface, TCP_POS)
        self._interface = relative(env.interface)
        self.observation_space = observation_space(self._interface)
        self._start = np.zeros(3, np.float32)

    @property
    def interface(self) -> Interface:
        return self._interface

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        self._start = obs[PROPRIO][self._place : self._place + 3].copy()
        return self._relative(obs), info

    def step(self, action: np.ndarray) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self._relative(obs), reward, terminated, truncated, info

    def _relative(self, obs: Observation) -> Observation:
        proprio = obs[PROPRIO].copy()
        proprio[self._place : self._place + 3] -= self._start
        return {**obs, PROPRIO: proprio}

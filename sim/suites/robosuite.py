"""Every single-arm robosuite environment as a `Simulation`: `robosuite/<Env>`."""

import logging
from functools import cache
from typing import Any

import mujoco
import numpy as np

from robot_rl.types import ActionField, ProprioField, Scene
from sim.env import Outcome
from sim.packages import ROBOSUITE as PACKAGE

REWARDS = ("dense", "sparse")
HAS_STATE = False
_HORIZON = 500
_RATE_HZ = 20.0
_ROBOT = "robot0_"


class RobosuiteSimulation:
    """A Panda with robosuite's default controller at 20 Hz; `sparse` pays on success only."""

    # robosuite draws collision shapes in group 0 over the visual ones in group 1.
    hidden_geom_groups = (0,)

    def __init__(self, name: str, reward: str) -> None:
        self._env = _robosuite().make(
            name,
            robots="Panda",
            has_renderer=False,
            has_offscreen_renderer=False,
            use_camera_obs=False,
            use_object_obs=False,
            reward_shaping=reward == "dense",
            control_freq=_RATE_HZ,
            horizon=_HORIZON,
            ignore_done=True,
            # Rebuilding the model at every reset takes seconds and changes nothing.
            hard_reset=False,
            seed=0,
        )
        self.name = f"robosuite/{name}"
        self.control_rate_hz = _RATE_HZ
        self.max_episode_steps = _HORIZON
        low, high = self._env.action_spec
        self._middle, self._half = (low + high) / 2, (high - low) / 2
        self.action_fields = tuple(
            ActionField(
                name=f"action{i}", unit="1", kind="displacement", scale=float(half), hold=0.0
            )
            for i, half in enumerate(self._half)
        )
        self._observation: dict[str, Any] = self._env.reset()
        self._keys = [
            key
            for key in self._observation
            if key.startswith(_ROBOT) and not key.endswith("-state")
        ]
        self.proprio_fields = tuple(
            ProprioField(name=k, unit="native", size=np.size(self._observation[k]))
            for k in self._keys
        )

    @property
    def model(self) -> mujoco.MjModel:
        return self._env.sim.model._model

    @property
    def data(self) -> mujoco.MjData:
        return self._env.sim.data._data

    def reset(self, rng: np.random.Generator) -> None:
        # The placement samplers hold this very generator.
        seeded = np.random.default_rng(int(rng.integers(2**32)))
        self._env.rng.bit_generator.state = seeded.bit_generator.state
        self._observation = self._env.reset()

    def step(self, action: np.ndarray) -> Outcome:
        self._observation, reward, _, _ = self._env.step(self._middle + self._half * action)
        return Outcome(float(reward), False, bool(self._env._check_success()))

    def proprio(self) -> np.ndarray:
        parts = [np.ravel(self._observation[key]) for key in self._keys]
        return np.concatenate(parts).astype(np.float32)

    def scene(self) -> Scene:
        """robosuite has no scripted experts."""
        return Scene()

    def close(self) -> None:
        self._env.close()


@cache
def _robosuite() -> Any:
    robosuite = PACKAGE.load("robosuite")
    logging.getLogger("robosuite_logs").setLevel(logging.ERROR)
    return robosuite


def _names() -> list[str]:
    from robosuite.environments.base import REGISTERED_ENVS

    return sorted(name for name in REGISTERED_ENVS if not name.startswith("TwoArm"))


def make(name: str, reward: str) -> RobosuiteSimulation:
    return RobosuiteSimulation(name, reward)


def tasks() -> list[tuple[str, str]]:
    """Empty where robosuite is not installed."""
    if not PACKAGE.installed:
        return []
    _robosuite()
    return [(name, f"robosuite: {name}, Panda arm") for name in _names()]


def film_camera(name: str) -> str:
    return "frontview"

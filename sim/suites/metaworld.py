"""Meta-World's 50 tasks as `Simulation`s: `metaworld/<task>-v3`, with its scripted policies."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import mujoco
import numpy as np

from robot_rl.types import ActionField, ProprioField, Scene
from sim.env import Outcome
from sim.packages import METAWORLD as PACKAGE

REWARDS = ("dense", "sparse")
HAS_STATE = False
_HORIZON = 500
_STEP_M = 0.01


@dataclass(frozen=True, kw_only=True)
class MetaworldOptions:
    """`success` in `any` step of the episode (DrM, MENTOR), or in its `last` one (TD-MPC2)."""

    success: Literal["any", "last"] = "any"


class MetaworldSimulation:
    """A Sawyer hand along x, y, z and its gripper at 80 Hz; 500 steps, random goals.

    `dense` is Meta-World's own reward of 0 to 10 a step, `sparse` 1 in every step of success.
    Proprio is the hand and its opening; the goal is only in the pictures.
    """

    hidden_geom_groups = ()

    def __init__(self, name: str, reward: str, options: MetaworldOptions) -> None:
        kinds, policies = _metaworld()
        self._env = kinds[name]()
        self._expert = policies[name]()
        # What a benchmark's `set_task` would freeze is drawn anew in every episode.
        self._env._set_task_called = True
        self._env._freeze_rand_vec = False
        self._env.seeded_rand_vec = True
        # The scripted policies read the goal from the observation, whose bounds are cached.
        self._env._partially_observable = False
        del self._env.sawyer_observation_space
        _turn_upright(self._env.model)
        self.name = f"metaworld/{name}"
        self.control_rate_hz = 1.0 / self._env.dt
        self.max_episode_steps = _HORIZON
        self.action_fields = (
            *(
                ActionField(
                    name=f"tcp_{axis}", unit="m", kind="displacement", scale=_STEP_M, hold=0.0
                )
                for axis in "xyz"
            ),
            ActionField(name="gripper_effort", unit="1", kind="position", scale=1.0, hold=0.0),
        )
        self.proprio_fields = (
            ProprioField(name="tcp_pos", unit="m", size=3),
            ProprioField(name="gripper_opening", unit="1", size=1),
        )
        self._sparse = reward == "sparse"
        self._last_only = options.success == "last"
        self._steps = 0
        self._observation = np.zeros(39)

    @property
    def model(self) -> mujoco.MjModel:
        return self._env.model

    @property
    def data(self) -> mujoco.MjData:
        return self._env.data

    def reset(self, rng: np.random.Generator) -> None:
        self._env.seed(int(rng.integers(2**31)))
        self._observation, _ = self._env.reset()
        self._steps = 0

    def step(self, action: np.ndarray) -> Outcome:
        self._observation, reward, _, _, info = self._env.step(action)
        self._steps += 1
        reached = bool(info["success"])
        success = reached and (self._steps == _HORIZON or not self._last_only)
        return Outcome(float(reached) if self._sparse else float(reward), False, success)

    def proprio(self) -> np.ndarray:
        return self._observation[:4].astype(np.float32)

    def scene(self) -> Scene:
        action = np.clip(self._expert.get_action(self._observation), -1.0, 1.0)
        return Scene(expert_action=action.astype(np.float32))

    def close(self) -> None:
        self._env.close()


def _turn_upright(model: mujoco.MjModel) -> None:
    """Its fixed cameras hang upside down; published code flips the pictures instead."""
    half_turn, turned = np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(4)
    axes = np.zeros(9)
    for camera in np.flatnonzero(model.cam_bodyid == 0):
        mujoco.mju_quat2Mat(axes, model.cam_quat[camera])
        if axes[7] < 0.0:  # the picture's up, along the world's
            mujoco.mju_mulQuat(turned, model.cam_quat[camera], half_turn)
            model.cam_quat[camera] = turned


@cache
def _metaworld() -> tuple[dict[str, Any], dict[str, Any]]:
    """Tasks and scripted policies by name."""
    kinds = PACKAGE.load("metaworld.env_dict").ENV_CLS_MAP
    return dict(kinds), dict(PACKAGE.load("metaworld.policies").ENV_POLICY_MAP)


def make(name: str, reward: str, options: MetaworldOptions | None = None) -> MetaworldSimulation:
    return MetaworldSimulation(name, reward, options or MetaworldOptions())


def options(name: str) -> type:
    """The dataclass of the task's options."""
    return MetaworldOptions


def tasks() -> list[tuple[str, str]]:
    """Empty where Meta-World is not installed."""
    names = sorted(_metaworld()[0]) if PACKAGE.installed else []
    return [(name, f"Meta-World: {name.removesuffix('-v3').replace('-', ' ')}") for name in names]


def film_camera(name: str) -> str:
    return "corner2"

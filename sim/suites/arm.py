"""The arm suite as a `Simulation`: success held for half a second, dense or sparse reward."""

from typing import Any, Literal

import mujoco
import numpy as np

from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.types import ProprioField, Scene
from sim.arm import Arm
from sim.arm_config import ArmConfig
from sim.arms import ARM_MODELS, ArmModel
from sim.arms.primitive import PRIMITIVE
from sim.env import Outcome
from sim.tasks import ARM_TASKS, ArmTask

Reward = Literal["dense", "sparse"]
REWARDS: tuple[Reward, ...] = ("dense", "sparse")
HAS_STATE = True


class ArmSimulation:
    """`dense` runs to the time limit; `sparse` pays 1 on success and terminates there.

    With `state` proprio ends with the task's objects as they truly are.
    """

    hidden_geom_groups = ()

    def __init__(
        self,
        task: ArmTask,
        reward: Reward = "dense",
        config: ArmConfig | None = None,
        state: bool = False,
        kind: ArmModel = PRIMITIVE,
    ) -> None:
        if reward not in REWARDS:
            raise UnknownNameError("task.reward", reward, REWARDS)
        _require_able(kind, task)
        dt_s = min(task.physics_dt_s, kind.physics_dt_s)
        config = config or ArmConfig(physics_dt_s=dt_s)
        self.task = task
        self.arm = Arm(kind, config, task.build, task.turns_rad > 0.0, task.gripper)
        # A place that this arm does not reach is found here, and not in the middle of a run.
        task.reset(self.arm, np.random.default_rng(0))
        self.name = f"arm/{task.name}"
        self.control_rate_hz = config.control_rate_hz
        self.max_episode_steps = round(task.episode_s * config.control_rate_hz)
        self.action_fields = self.arm.action_fields
        self.proprio_fields: tuple[ProprioField, ...] = (
            self.arm.proprio_fields + task.state_fields * state
        )
        self._state = state
        self._sparse = reward == "sparse"
        self._hold_steps = round(task.hold_s * config.control_rate_hz)
        self._held_steps = 0

    @property
    def model(self) -> mujoco.MjModel:
        return self.arm.model

    @property
    def data(self) -> mujoco.MjData:
        return self.arm.data

    def reset(self, rng: np.random.Generator) -> None:
        self.task.reset(self.arm, rng)
        self._held_steps = 0

    def step(self, action: np.ndarray) -> Outcome:
        self.arm.apply(action)
        success = self.check_success()
        if self._sparse:
            return Outcome(float(success), success, success)
        return Outcome(float(self.task.dense_reward(self.arm)), False, success)

    def check_success(self) -> bool:
        """Whether the goal has held for long enough; once a control period."""
        self._held_steps = self._held_steps + 1 if self.task.at_goal(self.arm) else 0
        return self._held_steps >= self._hold_steps

    def proprio(self) -> np.ndarray:
        proprio = self.arm.proprio()
        if not self._state:
            return proprio
        return np.concatenate((proprio, self.task.state(self.arm))).astype(np.float32)

    def expert_action(self) -> np.ndarray:
        return self.task.expert_action(self.arm)

    def scene(self) -> Scene:
        return Scene(
            expert_action=self.expert_action(),
            progress=float(self.task.dense_reward(self.arm)),
            at_goal=self.task.at_goal(self.arm),
            risk=self.arm.nearness_to_border(),
            measured=self.arm.measured(),
        )

    def close(self) -> None:
        """Nothing to release: MuJoCo frees the model with the object."""


def _require_able(kind: ArmModel, task: ArmTask) -> None:
    if kind.max_yaw_rad < task.turns_rad:
        kinds = [ARM_MODELS.load(name) for name in ARM_MODELS.names()]
        able = [other.name for other in kinds if other.max_yaw_rad >= task.turns_rad]
        raise ConfigError(
            f"arm/{task.name} turns the tool by {task.turns_rad:.2f} rad either way, "
            f"task.arm={kind.name} by {kind.max_yaw_rad:.2f}. Choose one of: {', '.join(able)}."
        )


def make(
    name: str,
    reward: Reward = "dense",
    state: bool = False,
    options: Any = None,
    arm: str = PRIMITIVE.name,
) -> ArmSimulation:
    kind = ARM_MODELS.load(arm)
    return ArmSimulation(ARM_TASKS[name](options), reward, state=state, kind=kind)


def arms() -> list[str]:
    """Who can play the tasks."""
    return ARM_MODELS.names()


def options(name: str) -> type | None:
    """The dataclass of the task's options."""
    return ARM_TASKS[name].Options


def tasks() -> list[tuple[str, str]]:
    return [(task.name, task.summary) for task in ARM_TASKS.values()]


def film_camera(name: str) -> str:
    return "film"

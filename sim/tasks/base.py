"""What a task of the arm suite defines. The simulation around it is `ArmSimulation`."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.arms.model import ArmModel


class ArmTask(ABC):
    """Objects, start states, reward and success of one task.

    `dense_reward` has a slope wherever a random arm spends its time; `at_goal` is geometry
    alone and never reads the reward. `options` is an instance of `Options`, a frozen dataclass,
    where a task has any.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type | None] = None
    turns_rad: float = 0.0  # either way; above 0 the yaw of the tool is an axis
    gripper: ClassVar[bool] = False
    cameras: ClassVar[tuple[str, ...]] = ("front",)
    episode_s: ClassVar[float] = 5.0
    hold_s: ClassVar[float] = 0.5
    physics_dt_s: ClassVar[float] = 0.005

    # What `state` returns; in the frame of the robot's base.
    state_fields: tuple[ProprioField, ...]

    def __init__(self, options: Any = None) -> None:
        self.options: Any = options or (self.Options() if self.Options else None)

    @abstractmethod
    def state(self, arm: Arm) -> np.ndarray:
        """The objects as they are, for agents that learn without cameras."""

    @abstractmethod
    def build(self, spec: mujoco.MjSpec, kind: ArmModel) -> None:
        """Add the task's objects to a scene with an arm of `kind`."""

    @abstractmethod
    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        """Draw a start state and a goal."""

    @abstractmethod
    def at_goal(self, arm: Arm) -> bool:
        """Whether the goal holds at this instant."""

    @abstractmethod
    def dense_reward(self, arm: Arm) -> float:
        """Reward in [0, 1] of the present state."""

    @abstractmethod
    def expert_action(self, arm: Arm) -> np.ndarray:
        """Scripted action in [-1, 1], a function of the present simulator state alone."""


def drawn(
    arm: Arm,
    rng: np.random.Generator,
    low: np.ndarray,
    high: np.ndarray,
    around_m: float = 0.0,
) -> np.ndarray:
    """A point of the box, x first, where the arm can work, and `around_m` about it.

    Raises `ConfigError` for an arm that hardly can.
    """
    return rng.uniform(*arm.kind.within(low, high, around_m))


def hold_box(spec: mujoco.MjSpec, at_m: np.ndarray, half_m: np.ndarray, **geom: Any) -> None:
    """Fix a box in the hand, `at_m` [3] from the tcp in the axes of the tool."""
    tool = spec.site("tcp")
    box = mujoco.mjtGeom.mjGEOM_BOX
    tool.parent.add_geom(type=box, size=half_m, pos=at_tool(tool, at_m), quat=tool.quat, **geom)


def at_tool(tool: mujoco.MjsSite, at_m: np.ndarray) -> np.ndarray:
    """Where in the hand's own axes a place is that lies `at_m` [3] from the tcp in the tool's."""
    offset = np.zeros(3)
    mujoco.mju_rotVecQuat(offset, at_m, tool.quat)
    return tool.pos + offset


def yaw_quat(yaw_rad: float) -> tuple[float, float, float, float]:
    """(w, x, y, z) of a turn about the vertical."""
    return math.cos(yaw_rad / 2), 0.0, 0.0, math.sin(yaw_rad / 2)


def closeness(distance_m: float, range_m: float) -> float:
    """1 at zero distance, falling linearly to 0 at `range_m`."""
    return max(0.0, 1.0 - distance_m / range_m)


def toward(arm: Arm, waypoint: np.ndarray, *others: float) -> np.ndarray:
    """Action that moves the middle between the fingers to `waypoint` [3] m, as fast as it can.

    `others` are the actions of the other axes.
    """
    step = (waypoint - arm.grip_pos) / arm.config.max_delta_m
    step /= max(1.0, float(np.abs(step).max()))
    return np.concatenate((step, others)).astype(np.float32)

"""What the arm suite knows of an arm. A task is written once, for all that can do it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from robot_rl.errors import ConfigError

# What a task must have of its ground, ahead and aside.
_LEAST_ROOM_M = 0.06

Point = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Finger:
    """A joint of the gripper and where it stands (rad or m) closed and open."""

    joint: str
    closed: float
    open: float


@dataclass(frozen=True, kw_only=True)
class ArmModel:
    """An arm with a gripper. SI units; the world's origin lies on the table, its x points ahead.

    `load` builds the arm alone, standing at its own origin. Every joint that is named here has an
    actuator of its name, which takes a position. The site `tcp` is where the fingers meet: its z
    points out of the tool, its y is the way they close. The camera `wrist` looks along the tool.
    `load` raises `MissingPackageError` where the meshes are not installed.
    """

    name: str
    summary: str
    load: Callable[[], mujoco.MjSpec]
    joints: tuple[str, ...]
    home_rad: tuple[float, ...]  # tool down; every start is solved from here
    fingers: tuple[Finger, ...]  # driven
    linkage: tuple[Finger, ...] = ()  # that go along
    # The bodies on either side of what is grasped; what hangs on one belongs to its side.
    sides: tuple[str, str]
    gripper_max_m: float  # of one side from the middle
    # From `tcp` against the tool's y to the side that stands still; 0 where both move.
    stands_m: float = 0.0
    mount_m: Point
    workspace_low: Point
    workspace_high: Point
    max_yaw_rad: float = 1.0  # of the tool about the vertical, either way
    # By how much the joints lag behind what they follow.
    lag_s: float
    physics_dt_s: float = 0.01  # the longest that is stable

    def within(
        self, low: np.ndarray, high: np.ndarray, around_m: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """A box ([n] m each, x first) drawn into the workspace.

        The tool can go `around_m` beyond it ahead and aside. Raises `ConfigError` where hardly any
        of its ground is reached.
        """
        count = len(low)
        # With one finger that moves the tool works beside its tcp.
        inset = np.array([around_m, around_m + self.stands_m, 0.0])
        bounds = (
            (np.array(self.workspace_low) + inset)[:count],
            (np.array(self.workspace_high) - inset)[:count],
        )
        drawn = np.clip(low, *bounds), np.clip(high, *bounds)
        room = (drawn[1] - drawn[0])[:2]
        if (room < np.minimum(_LEAST_ROOM_M, (high - low)[:2]) - 1e-6).any():
            raise ConfigError(
                f"task.arm={self.name} hardly reaches the place of this task, {low} to {high} m: "
                f"its workspace is {self.workspace_low} to {self.workspace_high} m. Choose another "
                "arm: robot-rl list sim_arms."
            )
        return drawn

    def opening(self, joint: float) -> float:
        """m of one side from the middle where the first finger's joint stands at `joint`."""
        first = self.fingers[0]
        return self.gripper_max_m * (joint - first.closed) / (first.open - first.closed)

    def middle_m(self, opening_m: float) -> float:
        """Where along the tool's y the middle between the sides is, from `tcp`."""
        return opening_m - self.stands_m if self.stands_m else 0.0

    def gripper_joints(self, opening_m: float, fingers: Sequence[Finger]) -> np.ndarray:
        """Where these joints stand [n], rad or m."""
        share = opening_m / self.gripper_max_m
        return np.array([f.closed + share * (f.open - f.closed) for f in fingers])

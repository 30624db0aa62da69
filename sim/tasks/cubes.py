"""Cubes on the table: how they are built, stood, held and picked up."""

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

from sim.arm import Arm
from sim.tasks.base import drawn, toward, yaw_quat

HALF_M = 0.02
APART_M = 0.085  # an open gripper has room between two cubes
RED, BLUE = (0.88, 0.16, 0.12, 1.0), (0.15, 0.35, 0.85, 1.0)
DECOY = "decoy"
_MAX_YAW_RAD = 0.2
_LOW, _HIGH = np.array([0.30, -0.12]), np.array([0.44, 0.12])
_HOVER_M = 0.06
_OVER_M = 0.012
_CLOSED_M = 0.03


@dataclass(frozen=True, kw_only=True)
class CubeOptions:
    """`decoy`: a cube of another colour stands `apart` from the one that counts. Where they are
    `swapped` each stands where the other does in an episode `apart` of the same seed."""

    decoy: Literal["none", "apart", "swapped"] = "none"

    @property
    def present(self) -> bool:
        return self.decoy != "none"

    def order(self, cube: np.ndarray, decoy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the cube and the decoy stand, of two places that were drawn."""
        return (decoy, cube) if self.decoy == "swapped" else (cube, decoy)


def add(spec: mujoco.MjSpec, rgba: tuple[float, ...], name: str = "cube") -> None:
    """A free cube, resting on the table."""
    body = spec.worldbody.add_body(name=name, pos=[0.36, 0, HALF_M])
    body.add_freejoint(name=name)
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[HALF_M] * 3,
        rgba=rgba,
        mass=0.08,
        friction=[1.0, 0.02, 0.001],
        condim=4,
    )


def draw_xy(arm: Arm, rng: np.random.Generator) -> np.ndarray:
    """[2] m: where a cube may stand, in reach of every grasp."""
    return drawn(arm, rng, _LOW, _HIGH)


def draw_yaw_rad(rng: np.random.Generator) -> float:
    """A yaw at which fingers that do not turn still grasp it."""
    return rng.uniform(-_MAX_YAW_RAD, _MAX_YAW_RAD)


def place(arm: Arm, xy: np.ndarray, yaw_rad: float, name: str = "cube") -> None:
    """Stand the cube at `xy` [2] m. Call `mj_forward` afterwards."""
    joint = arm.data.joint(name)
    joint.qpos[:3] = (*xy, HALF_M)
    joint.qpos[3:] = yaw_quat(yaw_rad)
    joint.qvel[:] = 0.0


def held(arm: Arm, name: str, fingers: int = 2) -> bool:
    """Whether at least so many fingers touch the body."""
    body = arm.data.body(name).id
    pairs = arm.model.geom_bodyid[arm.data.contact.geom]
    touching = {arm.side_of(int(a if b == body else b)) for a, b in pairs if body in (a, b)}
    return len(touching - {None}) >= fingers


def in_hand(arm: Arm, name: str) -> bool:
    """Whether the fingers have closed around the body."""
    return held(arm, name) and arm.gripper_opening < _CLOSED_M


def pick_up(arm: Arm, at: np.ndarray) -> np.ndarray:
    """Action toward a cube in the fingers: over `at` [3] m, down, close."""
    grip = arm.grip_pos
    across_m = np.linalg.norm(grip[:2] - at[:2])
    if grip[2] < at[2] + 0.4 * HALF_M and _between_fingers(arm, at):
        return toward(arm, at, 1.0)
    if across_m < _OVER_M or (across_m < 0.02 and grip[2] < at[2] + _HOVER_M - 0.02):
        return toward(arm, at, -1.0)
    return toward(arm, np.array([*at[:2], max(at[2] + _HOVER_M, grip[2])]), -1.0)


def _between_fingers(arm: Arm, at: np.ndarray) -> bool:
    ahead_m, aside_m, _ = arm.tool_axes.T @ (at - arm.grip_pos)
    return abs(ahead_m) < _OVER_M and abs(aside_m) < max(_OVER_M, arm.gripper_opening)

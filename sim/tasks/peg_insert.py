"""arm/peg_insert: put a square peg, held in the hand, into a square hole."""

import math
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from robot_rl.errors import ConfigError
from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.arms.model import ArmModel
from sim.tasks.base import ArmTask, closeness, drawn, hold_box, toward, yaw_quat

_PEG_HALF_M = 0.008
_PEG_BELOW_TCP_M = 0.05
_WALL_HALF_M = 0.012
_TOP_M = 0.04
_LOW, _HIGH = np.array([0.30, -0.12]), np.array([0.44, 0.12])
_START_LOW, _START_HIGH = np.array([0.32, -0.08, 0.14]), np.array([0.42, 0.08, 0.20])
_HOVER_M = 0.015
# As stiff as the time step allows: a peg slips in up to half a millimetre beyond its clearance;
# with MuJoCo's own contacts it is a whole one.
_HARD: dict[str, Any] = {
    "friction": [0.3, 0.005, 0.0001],
    "solref": [0.005, 1.0],
    "solimp": [0.95, 0.99, 0.001, 0.5, 2.0],
}
# A square is the same after a quarter of a turn.
_MAX_YAW_RAD = math.pi / 4
# Beyond the upper one a peg could turn all the way round.
_CLEARANCES_M = 0.0002, 0.003
# What success allows beyond the turn at which the walls stop the peg.
_TURN_MARGIN_RAD = math.radians(3)


@dataclass(frozen=True, kw_only=True)
class PegOptions:
    """`clearance_m` is the play on each side of the peg.

    `random_yaw`: the hole is turned by up to 45 degrees, and the arm can turn its tool.
    """

    clearance_m: float = 0.002
    random_yaw: bool = False

    def __post_init__(self) -> None:
        low, high = _CLEARANCES_M
        if not low <= self.clearance_m <= high:
            raise ConfigError(
                f"task.options.clearance_m is {self.clearance_m}; it lies in [{low}, {high}] m."
            )


class PegInsert(ArmTask):
    """Success is the peg's depth in the hole, turned as it is."""

    Options = PegOptions
    name = "peg_insert"
    summary = "put a 16 mm square peg into a hole at a random place, with little play"
    cameras = ("front", "wrist")
    episode_s = 6.0
    depth_m = 0.02
    physics_dt_s = 0.0025

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.turns_rad = _MAX_YAW_RAD * self.options.random_yaw
        self.clearance_m = self.options.clearance_m
        # A square with this much play is stopped by the walls when it is turned so far.
        stopped_rad = math.asin((1 + self.clearance_m / _PEG_HALF_M) / math.sqrt(2)) - math.pi / 4
        self.turned_rad = stopped_rad + _TURN_MARGIN_RAD
        self.aligned_rad = 0.2 * stopped_rad
        tip = ProprioField(name="tip_to_hole", unit="m", size=3)
        yaw = ProprioField(name="yaw_to_hole", unit="rad", size=1)
        self.state_fields = (tip, yaw) if self.turns_rad else (tip,)

    def build(self, spec: mujoco.MjSpec, kind: ArmModel) -> None:
        length_m = _PEG_BELOW_TCP_M + 0.01
        at_m = np.array([0.0, kind.middle_m(_PEG_HALF_M), _PEG_BELOW_TCP_M - length_m / 2])
        half_m = np.array([_PEG_HALF_M, _PEG_HALF_M, length_m / 2])
        hold_box(spec, at_m, half_m, name="peg", rgba=(0.95, 0.75, 0.15, 1), mass=0.03, **_HARD)
        socket = spec.worldbody.add_body(name="socket", mocap=True)
        hole_half_m = _PEG_HALF_M + self.clearance_m
        across = hole_half_m + _WALL_HALF_M
        for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            # The walls along y are longer, so that the corners are closed.
            long = across + _WALL_HALF_M if x else hole_half_m
            socket.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=[x * across, y * across, _TOP_M / 2],
                size=[_WALL_HALF_M if x else long, long if x else _WALL_HALF_M, _TOP_M / 2],
                rgba=(0.2, 0.35, 0.6, 1),
                **_HARD,
            )

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        arm.reset(drawn(arm, rng, _START_LOW, _START_HIGH), gripper_opening=_PEG_HALF_M)
        arm.data.mocap_pos[0] = (*drawn(arm, rng, _LOW, _HIGH), 0.0)
        yaw_rad = rng.uniform(-_MAX_YAW_RAD, _MAX_YAW_RAD) if self.turns_rad else 0.0
        arm.data.mocap_quat[0] = yaw_quat(yaw_rad)
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        yaw = [self.yaw_to_hole(arm)] if self.turns_rad else []
        return np.concatenate((self.tip_to_hole(arm), yaw))

    def tip_to_hole(self, arm: Arm) -> np.ndarray:
        """[3] m from the middle of the peg's tip to the middle of the hole's mouth."""
        # Pressed on the block the tool tilts: its tip is not straight below the tcp then.
        tip = arm.grip_pos + _PEG_BELOW_TCP_M * arm.tool_axis
        return arm.data.mocap_pos[0] + (0.0, 0.0, _TOP_M) - tip

    def hole_yaw(self, arm: Arm) -> float:
        """Of the hole about the vertical, rad."""
        cosine, _, _, sine = arm.data.mocap_quat[0]
        return 2.0 * math.atan2(sine, cosine)

    def yaw_to_hole(self, arm: Arm) -> float:
        """The shorter turn that lets the peg fit, rad in [-pi/4, pi/4]."""
        return math.remainder(self.hole_yaw(arm) - arm.yaw, math.pi / 2)

    def across(self, arm: Arm) -> float:
        """m from the tip to the hole's axis, along the side of the hole where it is farther."""
        x, y, _ = self.tip_to_hole(arm)
        sine, cosine = math.sin(self.hole_yaw(arm)), math.cos(self.hole_yaw(arm))
        return max(abs(cosine * x + sine * y), abs(cosine * y - sine * x))

    def at_goal(self, arm: Arm) -> bool:
        deep = self.tip_to_hole(arm)[2] > self.depth_m
        turned = abs(self.yaw_to_hole(arm)) < self.turned_rad
        return bool(deep and turned and self.across(arm) < 2 * self.clearance_m)

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        gap = self.tip_to_hole(arm)
        across_m = float(np.linalg.norm(gap[:2]))
        distance_m = float(np.linalg.norm(gap))
        inside = across_m < 2 * self.clearance_m
        depth = min(max(gap[2] / self.depth_m, 0.0), 1.0) if inside else 0.0
        turned = closeness(abs(self.yaw_to_hole(arm)), _MAX_YAW_RAD) if self.turns_rad else 0.0
        # The second slope leads the last centimetre, where the first is flat.
        return (
            0.25 * closeness(distance_m, 0.3)
            + 0.25 * closeness(across_m, 0.02)
            + 0.3 * float(depth)
            + 0.15 * turned
        )

    def expert_action(self, arm: Arm) -> np.ndarray:
        gap, grip, yaw_rad = self.tip_to_hole(arm), arm.grip_pos, self.yaw_to_hole(arm)
        turn = (
            [float(np.clip(yaw_rad / arm.config.max_delta_rad, -1.0, 1.0))]
            if self.turns_rad
            else []
        )
        hole, across_m = grip[:2] + gap[:2], self.across(arm)
        turned = abs(yaw_rad) < self.aligned_rad or not self.turns_rad
        aligned = across_m < 0.75 * self.clearance_m and turned
        if aligned or (across_m < 2 * self.clearance_m and gap[2] > 0):
            return toward(arm, np.array([*hole, grip[2] + gap[2] - 1.5 * self.depth_m]), *turn)
        over = hole if gap[2] < 0 else grip[:2]  # rise beside the block before travelling
        return toward(arm, np.array([*over, grip[2] + gap[2] + _HOVER_M]), *turn)

"""arm/stack: put one cube on another and let go."""

import mujoco
import numpy as np

from robot_rl.types import ProprioField
from sim.arm import Arm
from sim.arms.model import ArmModel
from sim.tasks import cubes
from sim.tasks.base import ArmTask, closeness, drawn, toward

_START_LOW, _START_HIGH = np.array([0.32, -0.08, 0.14]), np.array([0.42, 0.08, 0.20])
_ON_TOP_M = np.array([0.0, 0.0, 2 * cubes.HALF_M])
_CARRY_M = 0.13  # of the tool: the carried cube clears the other by 5 cm
_BESIDE_M = 0.015
_LEVEL_M = 0.006
_AWAY_M = 0.05


class Stack(ArmTask):
    """Success: the red cube lies on the blue one, and no finger touches it.

    The blue one is the decoy of `CubeOptions`, there in any case.
    """

    Options = cubes.CubeOptions
    name = "stack"
    summary = "put the red cube on the blue one and let go"
    gripper = True
    cameras = ("front", "wrist")
    episode_s = 10.0
    state_fields = (
        ProprioField(name="tcp_to_red", unit="m", size=3),
        ProprioField(name="red_to_place", unit="m", size=3),
    )

    def build(self, spec: mujoco.MjSpec, kind: ArmModel) -> None:
        cubes.add(spec, cubes.RED, "red")
        cubes.add(spec, cubes.BLUE, "blue")

    def reset(self, arm: Arm, rng: np.random.Generator) -> None:
        red, blue = cubes.draw_xy(arm, rng), cubes.draw_xy(arm, rng)
        while np.linalg.norm(red - blue) < cubes.APART_M:
            blue = cubes.draw_xy(arm, rng)
        red, blue = self.options.order(red, blue)
        arm.reset(drawn(arm, rng, _START_LOW, _START_HIGH), arm.kind.gripper_max_m)
        for name, xy in (("red", red), ("blue", blue)):
            cubes.place(arm, xy, cubes.draw_yaw_rad(rng), name)
        mujoco.mj_forward(arm.model, arm.data)

    def state(self, arm: Arm) -> np.ndarray:
        return np.concatenate((self.red(arm) - arm.tcp_pos, self.red_to_place(arm)))

    def red(self, arm: Arm) -> np.ndarray:
        """[3] m: the middle of the cube that is carried."""
        return arm.data.body("red").xpos

    def red_to_place(self, arm: Arm) -> np.ndarray:
        """[3] m, to where it lies on the blue one."""
        return arm.data.body("blue").xpos + _ON_TOP_M - self.red(arm)

    def placed(self, arm: Arm) -> bool:
        """Whether the red cube is where it belongs, held or not."""
        gap = self.red_to_place(arm)
        return bool(np.linalg.norm(gap[:2]) < _BESIDE_M and abs(gap[2]) < _LEVEL_M)

    def at_goal(self, arm: Arm) -> bool:
        return self.placed(arm) and not cubes.held(arm, "red", fingers=1)

    def dense_reward(self, arm: Arm) -> float:
        if self.at_goal(arm):
            return 1.0
        if self.placed(arm):
            return 0.8 + 0.1 * arm.gripper_opening / arm.kind.gripper_max_m
        gap, grasp = self.red_to_place(arm), cubes.held(arm, "red")
        reach = closeness(float(np.linalg.norm(self.red(arm) - arm.grip_pos)), 0.3)
        # Up first, then across: a cube that is dragged along the table topples the other.
        height_m = self.red(arm)[2] - cubes.HALF_M
        lifted = min(max(height_m / (2 * cubes.HALF_M + 0.01), 0.0), 1.0)
        carried = closeness(float(np.linalg.norm(gap)), 0.25) * (lifted > 0.9)
        return 0.2 * reach + grasp * (0.1 + 0.15 * lifted + 0.3 * carried)

    def expert_action(self, arm: Arm) -> np.ndarray:
        grip, red = arm.grip_pos, self.red(arm)
        if self.placed(arm):
            up = np.array([*grip[:2], red[2] + _AWAY_M])
            opened = arm.gripper_opening > 0.9 * arm.kind.gripper_max_m
            return toward(arm, up if opened else grip, -1.0)
        if cubes.in_hand(arm, "red"):
            return toward(arm, self._carry(arm), 1.0)
        return cubes.pick_up(arm, red)

    def _carry(self, arm: Arm) -> np.ndarray:
        """Up, across, down: where the tool goes next with the cube in hand."""
        grip, gap = arm.grip_pos, self.red_to_place(arm)
        over = grip[:2] + gap[:2]
        high = grip[2] > _CARRY_M - 0.015
        if np.linalg.norm(gap[:2]) < (0.006 if high else 0.012):
            return np.array([*over, grip[2] + gap[2]])
        return np.array([*(over if high else grip[:2]), _CARRY_M])
